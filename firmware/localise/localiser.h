/* From raw readings to an area: forward fill, quantisation by table, one step of the model, decision.
 * Integers only, no heap, no global state: the caller owns the localiser and the arena. */
#ifndef TL_LOCALISER_H
#define TL_LOCALISER_H

#include <stdint.h>

#include "localise/viterbi.h"
#include "model.h"

#define TL_MISSING_DBM 127 /* a dense reading: this access point was not heard */

typedef struct {
    uint16_t index; /* of the access point, below TL_INPUTS */
    int8_t dbm;     /* -128..126 */
} tl_reading_t;

typedef struct {
    int32_t class_index; /* -1: no decision is due at this sample */
    uint16_t heard;      /* access points that count in this sample: heard in it, or held from an earlier one */
    tl_score_t scores[TL_CLASSES];
#if TL_POSITION
    int32_t position_mm[2]; /* x, y of the decision */
#endif
} tl_estimate_t;

typedef enum {
    TL_OK = 0,
    TL_ERR_INDEX = 1, /* an index is not below TL_INPUTS */
    TL_ERR_ORDER = 2, /* indices do not ascend strictly: out of order, or one access point twice */
    TL_ERR_VALUE = 3, /* a reading is TL_MISSING_DBM, which no heard access point has */
} tl_status_t;

/* All that is carried from sample to sample, and room to prepare the model's input. */
typedef struct {
    tl_model_state_t model;
#if !TL_SPARSE || TL_HOLD > 0
    tl_input_t input[TL_INPUTS]; /* quantised; with forward fill also what is held */
#endif
#if TL_HOLD > 0
    uint8_t left[TL_INPUTS]; /* samples the reading still counts for, this one included; 0: missing */
#endif
#if TL_SPARSE
    tl_entry_t entries[TL_INPUTS]; /* for every scan that can come: all may be heard */
#endif
#if TL_ONLINE
    tl_online_t online;
#elif TL_CRF
    tl_score_t scores[TL_WINDOW][TL_CLASSES]; /* ring */
    int32_t margin;                           /* of the last decision */
#elif TL_WINDOW > 1
    uint16_t winners[TL_WINDOW]; /* ring of the best classes */
#endif
    uint16_t head;  /* of the ring: where the next sample goes, so the oldest once it is full */
    uint16_t until; /* samples until a decision is due */
} tl_localiser_t;

/* Start a new recording. */
void tl_localiser_init(tl_localiser_t *localiser);

/* Take one scan: `count` heard access points, indices strictly ascending; none is legal. On an error nothing has
 * changed, neither `localiser` nor `out`. */
tl_status_t tl_localiser_sample(tl_localiser_t *localiser, tl_model_arena_t *arena, const tl_reading_t *readings,
                                uint16_t count, tl_estimate_t *out);

/* The same from a full row: dbm[TL_INPUTS], TL_MISSING_DBM where not heard. Every row is legal. */
void tl_localiser_sample_dense(tl_localiser_t *localiser, tl_model_arena_t *arena, const int8_t *dbm,
                               tl_estimate_t *out);

#if TL_SCAN && TL_SPARSE && TL_HOLD == 0
/* The same from localiser->entries[count], each access point at most once, in any order: raw dBm in place of values. */
void tl_localiser_heard(tl_localiser_t *localiser, tl_model_arena_t *arena, uint16_t count, tl_estimate_t *out);
#endif

/* What tl_localiser_sample would say of these readings; `position` becomes that of the first bad one. */
tl_status_t tl_localiser_check(const tl_reading_t *readings, uint16_t count, uint16_t *position);

#endif
