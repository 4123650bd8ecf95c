#include "fusion/trilaterate.h"

#include "fusion/real.h"

#define ITERATIONS 6
#define RANGE_NOISE_M 0.10f
#define MAX_RANGE_M 200.0f
#define MIN_SPREAD 0.02f
#define STEP_M 5.0f
#define DAMPING 1e-3f
#define ROBUST_ITERATIONS 8
#define ROBUST_STEP_M 2.0f
#define ROBUST_LEAST 5
#define PER_ROBUST_SCALE (1.0f / 0.6f)

/* Sums of the normal equations at a point: unit vectors u from the anchors, miss = range - distance. */
typedef struct {
    float xx, xy, yy, gx, gy, squared;
} sums_t;

static bool is_usable(float range) {
    return tl_finite(range) && range >= 0.0f && range <= MAX_RANGE_M;
}

/* Robust: every range counts 1 / (1 + (miss / scale)^2). */
static sums_t lines(const tl_point_t *anchors, const float *ranges, uint8_t count, uint32_t usable, tl_point_t at,
                    bool robust) {
    sums_t s = {0};
    for (uint8_t i = 0; i < count; i++) {
        if (!(usable >> i & 1u)) {
            continue;
        }
        float dx = at.x - anchors[i].x, dy = at.y - anchors[i].y;
        float distance = tl_real_max(tl_sqrt(dx * dx + dy * dy), 1e-3f);
        float inverse = 1.0f / distance;
        float ux = dx * inverse, uy = dy * inverse, miss = ranges[i] - distance, wx = ux, wy = uy;
        if (robust) {
            float part = miss * PER_ROBUST_SCALE, weight = 1.0f / (1.0f + part * part);
            wx *= weight;
            wy *= weight;
        }
        s.xx += wx * ux;
        s.xy += wx * uy;
        s.yy += wy * uy;
        s.gx += wx * miss;
        s.gy += wy * miss;
        s.squared += miss * miss;
    }
    return s;
}

/* One damped Gauss-Newton step of at most `longest`; gives its length before it was shortened. */
static float descend(const sums_t *s, float longest, tl_point_t *at) {
    float xx = s->xx + DAMPING, yy = s->yy + DAMPING;
    float scale = 1.0f / (xx * yy - s->xy * s->xy);
    float dx = (yy * s->gx - s->xy * s->gy) * scale, dy = (xx * s->gy - s->xy * s->gx) * scale;
    float length = tl_sqrt(dx * dx + dy * dy);
    float shrink = length > longest ? longest / length : 1.0f;
    at->x += dx * shrink;
    at->y += dy * shrink;
    return length;
}

/* Whether a point is not inside the convex hull of the usable anchors: all lie on one side of a line to one of them. */
static bool is_outside(const tl_point_t *anchors, uint8_t count, uint32_t usable, tl_point_t at) {
    for (uint8_t i = 0; i < count; i++) {
        bool left = false, right = false;
        float dx = anchors[i].x - at.x, dy = anchors[i].y - at.y;
        for (uint8_t j = 0; j < count && !(left && right); j++) {
            if (usable >> j & 1u) {
                float cross = dx * (anchors[j].y - at.y) - dy * (anchors[j].x - at.x);
                left |= cross > 0.0f;
                right |= cross < 0.0f;
            }
        }
        if ((usable >> i & 1u) && !(left && right)) {
            return true;
        }
    }
    return false;
}

tl_fix_t tl_trilaterate(const tl_point_t *anchors, const float *ranges, uint8_t count) {
    tl_fix_t fix = {.status = TL_FIX_FEW};
    uint32_t usable = 0;
    float heard = 0.0f, cx = 0.0f, cy = 0.0f, sum = 0.0f;
    for (uint8_t i = 0; i < count && i < TL_ANCHORS_MAX; i++) {
        float r = ranges[i];
        if (is_usable(r)) {
            usable |= UINT32_C(1) << i;
            heard += 1.0f;
            cx += anchors[i].x;
            cy += anchors[i].y;
        } else if (r == r) { /* not NaN */
            fix.bad_ranges++;
        }
    }
    if (heard < 3.0f) {
        return fix;
    }
    float inverse = 1.0f / heard;
    cx *= inverse;
    cy *= inverse;
    float sxx = 0.0f, sxy = 0.0f, syy = 0.0f, sx = 0.0f, sy = 0.0f, bx = 0.0f, by = 0.0f;
    for (uint8_t i = 0; i < count && i < TL_ANCHORS_MAX; i++) {
        if (usable >> i & 1u) {
            float ox = anchors[i].x - cx, oy = anchors[i].y - cy;
            float square = ox * ox + oy * oy - ranges[i] * ranges[i];
            sxx += ox * ox;
            sxy += ox * oy;
            syy += oy * oy;
            sx += ox;
            sy += oy;
            sum += square;
            bx += ox * square;
            by += oy * square;
        }
    }
    float determinant = sxx * syy - sxy * sxy, trace = sxx + syy;
    if (!(determinant > MIN_SPREAD * MIN_SPREAD * trace * trace)) {
        fix.status = TL_FIX_COLLINEAR;
        return fix;
    }
    float mean = sum * inverse;
    bx = 0.5f * (bx - mean * sx);
    by = 0.5f * (by - mean * sy);
    tl_point_t at = {cx + (syy * bx - sxy * by) / determinant, cy + (sxx * by - sxy * bx) / determinant};
    float length = 0.0f;
    for (uint8_t iteration = 0; iteration < ITERATIONS; iteration++) {
        sums_t s = lines(anchors, ranges, count, usable, at, false);
        length = descend(&s, STEP_M, &at);
    }
    sums_t s = lines(anchors, ranges, count, usable, at, false);
    determinant = s.xx * s.yy - s.xy * s.xy;
    float away = tl_sqrt((at.x - cx) * (at.x - cx) + (at.y - cy) * (at.y - cy));
    if (!(length <= 0.5f) || !(determinant >= 1e-4f) || !tl_finite(at.x + at.y) || !(away <= MAX_RANGE_M)) {
        fix.status = TL_FIX_FAR;
        return fix;
    }
    float variance = tl_real_max(RANGE_NOISE_M * RANGE_NOISE_M, s.squared / tl_real_max(heard - 2.0f, 1.0f)) / determinant;
    fix.status = TL_FIX_GOOD;
    fix.position = at;
    fix.outside = is_outside(anchors, count, usable, at);
    fix.xx = s.yy * variance;
    fix.xy = -s.xy * variance;
    fix.yy = s.xx * variance;
    fix.residual = tl_sqrt(s.squared * inverse);
    return fix;
}

tl_point_t tl_robust(const tl_point_t *anchors, const float *ranges, uint8_t count, const tl_fix_t *fix) {
    uint32_t usable = 0;
    uint8_t heard = 0;
    for (uint8_t i = 0; i < count && i < TL_ANCHORS_MAX; i++) {
        if (is_usable(ranges[i])) {
            usable |= UINT32_C(1) << i;
            heard++;
        }
    }
    tl_point_t at = fix->position;
    for (uint8_t iteration = 0; iteration < ROBUST_ITERATIONS && heard >= ROBUST_LEAST; iteration++) {
        sums_t s = lines(anchors, ranges, count, usable, at, true);
        (void)descend(&s, ROBUST_STEP_M, &at);
    }
    return at;
}
