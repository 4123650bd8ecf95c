/* A scan as a radio reports it: packet by packet, in any order, an access point more than once. */
#ifndef TL_SCAN_H
#define TL_SCAN_H

#include <stdint.h>

#include "localise/localiser.h"

#if TL_SCAN

#define TL_NO_ACCESS_POINT 0xFFFFu /* index of an access point that the model does not know */

#define TL_COMBINE_LAST 0
#define TL_COMBINE_MAX 1
#define TL_COMBINE_MEAN 2

typedef enum {
    TL_DECIDED = 0,
    TL_PENDING = 1, /* no decision is due: the window is not full, or the last decision was less than a hop ago */
    TL_UNKNOWN = 2  /* a decision is due, and too few access points were heard, or its margin is too small */
} tl_outcome_t;

typedef struct {
    tl_outcome_t outcome;
    int32_t class_index; /* -1 unless decided */
    /* best less second best: of the sample's scores where TL_WINDOW is 1, of the scores of the best paths that end in
     * different classes with a CRF, of votes else; 0 when no decision is due */
    int32_t margin;
    uint16_t heard;   /* access points that count in this sample: heard in the scan, or held from an earlier one */
    uint16_t ignored; /* readings of this scan of unknown access points, or without a value */
    tl_estimate_t sample; /* this sample's scores, and the decision before it was held to be "unknown" */
#if TL_POSITION
    int32_t position_mm[2]; /* x, y; 0 unless decided */
    int32_t spread_mm;      /* root of the mean squared distance of the classes' places from it, weighted as it is */
#endif
} tl_decision_t;

/* All that a localiser needs. Each has a state of its own, so two run side by side. */
typedef struct {
    /* What a decision needs, else it is "unknown". tl_init() sets what the model was made with; the caller may change it. */
    uint16_t least_heard; /* access points */
    int32_t least_margin; /* see tl_decision_t */
    /* what follows is not for the caller */
    uint16_t count;   /* access points heard in this scan */
    uint16_t ignored; /* readings of this scan */
#if TL_SPARSE && TL_HOLD == 0
    uint8_t seen[(TL_INPUTS + 7) / 8]; /* a bit an access point */
#else
    int8_t dbm[TL_INPUTS];
#endif
#if TL_COMBINE == TL_COMBINE_MEAN
    int16_t sum[TL_INPUTS];
    uint8_t times[TL_INPUTS];
#endif
    tl_localiser_t localiser;
    tl_model_arena_t arena;
} tl_context_t;

/* Start a new recording. */
void tl_init(tl_context_t *context);

/* Forget the readings of the scan before. */
void tl_begin_scan(tl_context_t *context);

/* Note a reading. Unknown access points, and 127 dBm, which stands for no reading, are counted and ignored. */
void tl_hear(tl_context_t *context, uint16_t access_point, int8_t dbm);

/* Run the network on the scan's readings. One scan is one sample of the model's rate. */
tl_outcome_t tl_end_scan(tl_context_t *context, tl_decision_t *out);

/* A scan that is there as a whole: tl_localiser_sample() and tl_localiser_sample_dense() on this context. */
tl_status_t tl_sample(tl_context_t *context, const tl_reading_t *readings, uint16_t count, tl_estimate_t *out);

void tl_sample_dense(tl_context_t *context, const int8_t *dbm, tl_estimate_t *out);

#endif

#endif
