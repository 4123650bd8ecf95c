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
} tl_rule_t;

/* As training/fusion/filters/settings.py has them. */
typedef struct {
    tl_rule_t rule;
    float acceleration, r, step_noise, gate, k1, k2, moderate, far, floor, trust, surprise, pull;
    uint8_t persistence;
    bool clean;
} tl_fusion_settings_t;

typedef struct {
    uint16_t backwards;  /* epochs whose time did not advance */
    uint16_t gaps;       /* longer than 2 s */
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
    uint32_t time_us;
    tl_ekf_t ekf;
    float walking[2];
    float rows[TL_HISTORY][TL_CHANNELS]; /* ring */
    float errors[TL_HISTORY];            /* ring */
    uint8_t oldest, oldest_error, error_count, streak;
} tl_fusion_t;

typedef struct {
    bool valid;    /* false until the first fix */
    float x, y;    /* m */
    float xx, yy;  /* variances, m^2 */
    float fix_variance; /* that the rule gave this epoch's fix, m^2; 0 when there was none */
    tl_fix_status_t fix;
} tl_fused_t;

/* `k` and `heading` as for tl_reckoner_init. */
void tl_fusion_init(tl_fusion_t *fusion, const tl_fusion_settings_t *settings, const tl_student_t *student,
                    const tl_point_t *anchors, uint8_t anchor_count, float k, float heading);

/* One inertial sample. */
void tl_fusion_imu(tl_fusion_t *fusion, uint32_t time_us, const float acceleration[3], const float rate[3]);

/* One epoch of ranges[anchor_count] in m, NaN: none. Nothing in `out` is ever NaN. */
void tl_fusion_ranges(tl_fusion_t *fusion, uint32_t time_us, const float *ranges, tl_fused_t *out);

#endif
