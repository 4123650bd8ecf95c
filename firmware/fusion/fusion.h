/* UWB ranges and an inertial sensor fused: trilateration, dead reckoning, filter, and the rule for its covariance.
 * The caller owns all memory; there is no heap. The reference is training/fusion/{ekf,rules}.py. */
#ifndef TL_FUSION_H
#define TL_FUSION_H

#include <stdbool.h>
#include <stdint.h>

#include "fusion/dead_reckoning.h"
#include "fusion/ekf.h"
#include "fusion/student.h"
#include "fusion/trilaterate.h"

typedef enum {
    TL_RULE_FIXED = 0,
    TL_RULE_GATED = 1,
    TL_RULE_ADAPTIVE = 2, /* median and MAD of the last errors against the student's forecast */
    TL_RULE_VARIANCE = 3, /* the student's own variances */
    TL_RULE_GUARDED = 4,  /* the same with robust fixes where it expects a poor fix and its doubt is small, else fixed */
    TL_RULE_ROBUST = 5,   /* fixed, with robust fixes */
} tl_rule_t;

/* As training/fusion/filters/settings.py has them. */
typedef struct {
    tl_rule_t rule;
    float acceleration, r, step_noise, still_noise, gate, k1, k2, moderate, far, floor, trust, surprise, pull;
    float engage, doubt_limit, doubt_memory; /* of TL_RULE_GUARDED */
    uint8_t persistence;
    bool clean;
} tl_fusion_settings_t;

typedef struct {
    uint16_t backwards;  /* epochs whose time did not advance */
    uint16_t gaps;       /* longer than 2 s */
    uint16_t restarts;   /* fresh starts after 10 s of silence, or 5 epochs backwards in a row */
    uint16_t diverged;   /* fresh starts of a filter that had run away */
    uint16_t bad_ranges; /* negative, absurd or infinite */
    uint16_t outside;    /* fixes outside the hull of the anchors heard */
    uint16_t no_fix[4];  /* epochs by tl_fix_status_t; [0] counts the good ones */
} tl_fusion_counts_t;

typedef struct {
    const tl_fusion_settings_t *settings;
    const tl_student_t *student; /* may be null for the first two rules */
    tl_model_arena_t arena;      /* of the student */
    const tl_point_t *anchors;
    uint8_t anchor_count;
    tl_reckoner_t reckoner;
    tl_fusion_counts_t counts;
    /* the filter's own */
    bool started, filled; /* has a state; has a history */
    tl_time_t time_us, fixed_us; /* of the last epoch, of the last good fix */
    tl_ekf_t ekf;
    float walking[2];
    float rows[TL_HISTORY][TL_CHANNELS]; /* ring */
    float errors[TL_HISTORY];            /* ring */
    float doubt; /* running mean of the student's normalised squared surprise; 1 is what it expects */
    uint8_t oldest, oldest_error, error_count, streak, backwards_in_a_row;
} tl_fusion_t;

typedef struct {
    bool valid;     /* the position holds at this time: there was a fix in the last 10 s, and time did not go back */
    bool stale;     /* there is a position, but no fix for more than 10 s */
    bool backwards; /* this epoch's time did not advance: its ranges are not used */
    bool restarted; /* the filter started again: what it knew before is forgotten */
    float x, y;     /* m; 0 when there is no position */
    float xx, yy;  /* variances, m^2 */
    float fix_variance; /* that the rule gave this epoch's fix, m^2; 0 when there was none */
    tl_fix_status_t fix;
} tl_fused_t;

typedef enum {
    TL_WALK_OK = 0,
    TL_WALK_K = 1,       /* Weinberg's constant is not within 0 to 5 */
    TL_WALK_HEADING = 2, /* the heading is not within two turns */
    TL_WALK_ANCHORS = 3, /* more than TL_ANCHORS_MAX */
} tl_walk_status_t;

/* `k` and `heading` as for tl_reckoner_init. Where it does not give TL_WALK_OK nothing has changed. */
tl_walk_status_t tl_fusion_init(tl_fusion_t *fusion, const tl_fusion_settings_t *settings, const tl_student_t *student,
                    const tl_point_t *anchors, uint8_t anchor_count, float k, float heading);

/* One inertial sample. Its time and that of the ranges are of one clock. */
void tl_fusion_imu(tl_fusion_t *fusion, tl_time_t time_us, const float acceleration[3], const float rate[3]);

/* One epoch of ranges[anchor_count] in m, NaN: none. Nothing in `out` is ever NaN. */
void tl_fusion_ranges(tl_fusion_t *fusion, tl_time_t time_us, const float *ranges, tl_fused_t *out);

#endif
