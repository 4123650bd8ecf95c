/* SOFTMAX over the last axis; codegen/operators/softmax.py says what is computed and makes the tables. */
#ifndef TL_SOFTMAX_H
#define TL_SOFTMAX_H

#include <stddef.h>

#include "tl_fixed.h"

/* x * 2^bits, saturating */
static inline int32_t tl_saturating_left(int32_t x, int32_t bits)
{
    const int64_t wide = (int64_t)x * (INT64_C(1) << bits);
    return wide < INT32_MIN ? INT32_MIN : wide > INT32_MAX ? INT32_MAX : (int32_t)wide;
}

static inline int32_t tl_leading_zeros(uint32_t x)
{
    return __builtin_clz(x);
}

/* 1 / (1 + a) in 0.31 of 0 <= a < 1 in 0.31, by Newton's iteration from 48/17 - 32/17 * half */
static inline int32_t tl_reciprocal_of_one_and(int32_t a)
{
    const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + tl_doubling_high(half, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - tl_doubling_high(half, x);
        x += tl_saturating_left(tl_doubling_high(x, error), 2);
    }
    return tl_saturating_left(x, 1);
}

/* tl_doubling_high for 0 <= multiplier: the upper word of a product with twice as much, or with that less 2^32 */
TL_INLINE int32_t tl_share_of(int32_t x, int32_t multiplier)
{
    return tl_high_rounded(x, (int32_t)((uint32_t)multiplier << 1), multiplier >= 1 << 30 ? x : 0);
}

/* exp(a) in 0.31 of a <= 0 in 5.26: a series around -1/8 for the part below 1/4, a factor a bit above it */
TL_SHARED int32_t tl_exp_of_negative(int32_t a)
{
    const int32_t around = 1895147668, third = 715827883; /* exp(-1/8), 1/3 */
    const int32_t fraction = (a & ((1 << 24) - 1)) - (1 << 24);
    const int32_t x = fraction * (1 << 5) + (1 << 28), x2 = tl_doubling_high_narrow(x, x);
    const int32_t x4 = tl_shift_right(tl_doubling_high_narrow(x2, x2), 2);
    const int32_t tail = tl_share_of(x4 + tl_doubling_high_narrow(x2, x), third) + x2;
    int32_t result = around + tl_share_of(x + tl_shift_right(tail, 1), around);
    const uint32_t quarters = (uint32_t)(fraction - a) >> 24;
    /* exp(-1/4), exp(-1/2), ..., exp(-16) */
    result = (quarters & 1u) != 0u ? tl_share_of(result, 1672461947) : result;
    result = (quarters & 2u) != 0u ? tl_share_of(result, 1302514674) : result;
    result = (quarters & 4u) != 0u ? tl_share_of(result, 790015084) : result;
    result = (quarters & 8u) != 0u ? tl_share_of(result, 290630308) : result;
    result = (quarters & 16u) != 0u ? tl_share_of(result, 39332535) : result;
    result = (quarters & 32u) != 0u ? tl_share_of(result, 720401) : result;
    result = (quarters & 64u) != 0u ? tl_share_of(result, 242) : result;
    return a == 0 ? INT32_MAX : result;
}

/* 2^(8 - 31) * sum, where sum is in 12.19, as a factor of exponentials in 0.31 */
typedef struct {
    int32_t twice, whole, half, shift; /* twice: of the scale, less 2^32 where `whole` has all bits */
} tl_softmax_share_t;

static inline tl_softmax_share_t tl_softmax_share(int32_t sum)
{
    const int32_t headroom = tl_leading_zeros((uint32_t)sum);
    const int32_t scale = tl_reciprocal_of_one_and((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
    const int32_t shift = 12 - headroom + 31 - 8;
    return (tl_softmax_share_t){(int32_t)((uint32_t)scale << 1), -(scale >= 1 << 30), 1 << (shift - 1), shift};
}

/* the exponential times the scale, as in tl_share_of, shifted right; neither is negative */
static inline int8_t tl_softmax_output(int32_t exponential, tl_softmax_share_t share)
{
    const uint32_t high = (uint32_t)tl_high_rounded(exponential, share.twice, exponential & share.whole);
    return (int8_t)tl_sat8(INT8_MIN + (int32_t)((high + (uint32_t)share.half) >> share.shift));
}

static inline int32_t tl_softmax_highest(const int8_t *x, int32_t depth)
{
    int32_t highest = INT8_MIN;
    for (int32_t i = 0; i < depth; i++) {
        highest = x[i] > highest ? x[i] : highest;
    }
    return highest;
}

/* Exponentials in 0.31 from table[entries] of differences to a row's maximum; from `entries` on one counts as nothing
 */
static inline void tl_softmax_s8(const int8_t *x, int32_t rows, int32_t depth, const int32_t *table, int32_t entries,
                                 int8_t *y)
{
    for (int32_t row = 0; row < rows; row++, x += depth, y += depth) {
        const int32_t highest = tl_softmax_highest(x, depth);
        int32_t sum = 0; /* 12.19 */
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = highest - x[i];
            if (difference < entries) {
                sum += (int32_t)(((uint32_t)table[difference] + 2048u) >> 12);
            }
        }
        const tl_softmax_share_t share = tl_softmax_share(sum);
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = highest - x[i];
            y[i] = difference < entries ? tl_softmax_output(table[difference], share) : INT8_MIN;
        }
    }
}

/* Exponentials computed, from a product in 5.26, into found[depth]: only an image that calls this one has
 * tl_exp_of_negative. */
static inline void tl_softmax_few_s8(const int8_t *x, int32_t rows, int32_t depth, int32_t entries, int32_t multiplier,
                                     int32_t shift, int32_t *found, int8_t *y)
{
    for (int32_t row = 0; row < rows; row++, x += depth, y += depth) {
        const int32_t highest = tl_softmax_highest(x, depth);
        int32_t sum = 0; /* 12.19 */
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = highest - x[i];
            found[i] = difference < entries ? tl_exp_of_negative(tl_scale_up(-difference, multiplier, shift)) : -1;
            sum += difference < entries ? (int32_t)(((uint32_t)found[i] + 2048u) >> 12) : 0;
        }
        const tl_softmax_share_t share = tl_softmax_share(sum);
        for (int32_t i = 0; i < depth; i++) {
            y[i] = found[i] >= 0 ? tl_softmax_output(found[i], share) : INT8_MIN;
        }
    }
}

/* multiplier and shift bring a difference to units of 10 / 65535; tables[513] on [-10, 0] and [0, 1] */
static inline void tl_softmax_s16(const int16_t *x, int32_t rows, int32_t depth, int32_t multiplier, int32_t shift,
                                  const int16_t *exponentials, const int16_t *reciprocals, int16_t *y)
{
    for (int32_t row = 0; row < rows; row++, x += depth, y += depth) {
        int32_t highest = INT16_MIN;
        for (int32_t i = 0; i < depth; i++) {
            highest = x[i] > highest ? x[i] : highest;
        }
        int32_t sum = 0; /* 16.15 */
        for (int32_t i = 0; i < depth; i++) {
            const int32_t difference = x[i] - highest;
            const int32_t scaled = shift > 0 ? tl_scale_up(difference, multiplier, shift)
                                             : tl_scale_down_sum(difference, multiplier, -shift);
            y[i] = (int16_t)tl_interpolate(tl_sat16(scaled + INT16_MAX), exponentials);
            sum += y[i];
        }
        const int32_t headroom = tl_leading_zeros((uint32_t)sum);
        const int32_t shifted = (int32_t)((((int64_t)sum << (headroom - 1)) + (1 << 13)) >> 14);
        const int32_t scale = tl_interpolate(tl_sat16(shifted - (1 << 15) - (1 << 16)), reciprocals);
        const int32_t right = 31 - headroom;
        for (int32_t i = 0; i < depth; i++) {
            y[i] = (int16_t)tl_clamp((y[i] * scale + (1 << (right - 1))) >> right, 0, INT16_MAX);
        }
    }
}

#endif
