/* LOG_SOFTMAX of int8 over the last axis. The specification is codegen/operators/log_softmax.py. */
#ifndef TL_LOG_SOFTMAX_H
#define TL_LOG_SOFTMAX_H

#include "tl_softmax.h"

/* How differences to a row's maximum become exponentials in 0.31: by table[entries] or, where that is NULL, computed
 * from a product in 5.26. From `entries` on a difference counts as nothing. */
typedef struct {
    const int32_t *table;
    int32_t entries, multiplier, shift;
} tl_exponentials_t;

static inline int32_t tl_exponential(int32_t difference, const tl_exponentials_t e)
{
    return e.table != NULL ? e.table[difference] : tl_exp_of_negative(tl_scale_up(-difference, e.multiplier, e.shift));
}

/* log, in 5.26, of a sum in 12.19 */
TL_INLINE int32_t tl_log_of_sum(int32_t sum)
{
    const int32_t half_root = 1518500250, quarter_root = 1805811301; /* 2^-1/2, 2^-1/4 */
    const int32_t zeros = tl_leading_zeros((uint32_t)sum);
    const int32_t scaled = tl_doubling_high((int32_t)((uint32_t)sum << (zeros - 1)), half_root);
    const int32_t rest = tl_saturating_left(scaled, 1);
    const int32_t headroom = tl_leading_zeros((uint32_t)tl_doubling_high(sum, half_root)) - 1;
    const int32_t other_rest = tl_saturating_left(sum, headroom);
    const int32_t octaves = tl_saturating_left(12 - zeros, 25) + (1 << 23);
    const int32_t other_octaves = tl_saturating_left(12 - headroom, 25) - (1 << 23);
    const int32_t r = rest < other_rest ? rest : other_rest;
    const int32_t p = (int32_t)(((int64_t)r + quarter_root + 1) >> 1), q = (r - quarter_root) * 2;
    const int32_t square = tl_doubling_high(q, q);
    const int32_t numerator = tl_doubling_high(q, r) + tl_doubling_high(tl_doubling_high(q, square), 117049297);
    const int32_t inner = 1057819769 + q + tl_doubling_high(square, 127690142);
    const int32_t denominator = tl_doubling_high(p, inner) + tl_doubling_high(q, 638450708);
    const int32_t quotient = tl_doubling_high(tl_shift_right(numerator, 6), tl_reciprocal_of_one_and(denominator));
    const int32_t whole = tl_doubling_high(octaves > other_octaves ? octaves : other_octaves, 1488522236);
    return tl_saturating_left(whole + quotient, 1);
}

/* `lowest`: a difference to the maximum that is out of reach; back, back_shift: from 5.26 to differences */
TL_INLINE void tl_log_softmax_s8(const int8_t *x, int32_t rows, int32_t depth, const tl_exponentials_t e,
                                 int32_t lowest, int32_t back, int32_t back_shift, int8_t *y)
{
    for (int32_t row = 0; row < rows; row++, x += depth, y += depth) {
        int32_t highest = INT8_MIN;
        for (int32_t i = 0; i < depth; i++) {
            highest = x[i] > highest ? x[i] : highest;
        }
        int32_t sum = 0; /* 12.19 */
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = highest - x[i];
            if (difference < e.entries) {
                sum += (int32_t)(((int64_t)tl_exponential(difference, e) + (1 << 11)) >> 12);
            }
        }
        const int32_t log = tl_log_of_sum(sum);
        const int32_t bound = tl_scale_down_sum(log + INT32_MIN, back, back_shift);
        const int32_t beyond = bound > lowest ? bound : lowest;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = x[i] - highest;
            int32_t result = INT8_MIN;
            if (difference > beyond) {
                const int32_t scaled = tl_scale_up(difference, e.multiplier, e.shift) - log;
                result = INT8_MAX + (int32_t)(((int64_t)scaled + (scaled >> 31) + (1 << 21)) >> 22);
            }
            y[i] = (int8_t)tl_sat8(result);
        }
    }
}

#endif
