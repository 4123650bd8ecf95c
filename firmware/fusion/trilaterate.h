/* Position from ranges: linear least squares to start, then Gauss-Newton, with the covariance of the result.
 * The reference in double precision is training/fusion/filters/trilaterate.py. */
#ifndef TL_TRILATERATE_H
#define TL_TRILATERATE_H

#include <stdbool.h>
#include <stdint.h>

#define TL_ANCHORS_MAX 32

typedef struct {
    float x, y; /* m */
} tl_point_t;

typedef enum {
    TL_FIX_GOOD = 0,
    TL_FIX_FEW = 1,       /* fewer than three usable ranges */
    TL_FIX_COLLINEAR = 2, /* the anchors heard lie on a line: the position has a mirror image */
    TL_FIX_FAR = 3,       /* no convergence, or out of every range */
} tl_fix_status_t;

typedef struct {
    tl_fix_status_t status; /* the numbers below are 0 when it is not good */
    tl_point_t position;
    float xx, xy, yy;    /* covariance, m^2 */
    float residual;      /* root of the mean squared residual, m */
    bool outside;        /* of the hull of the anchors heard: served, and its covariance is wide */
    uint8_t bad_ranges;  /* negative, beyond 200 m or infinite; NaN stands for no range and is not bad */
} tl_fix_t;

/* `ranges` in m, one an anchor, NaN where there is none; at most TL_ANCHORS_MAX. Never gives a NaN. */
tl_fix_t tl_trilaterate(const tl_point_t *anchors, const float *ranges, uint8_t count);

/* The position of a good fix that single long ranges do not pull away: each range is weighted by its residual. With
 * fewer than five ranges it is the fix. */
tl_point_t tl_robust(const tl_point_t *anchors, const float *ranges, uint8_t count, const tl_fix_t *fix);

#endif
