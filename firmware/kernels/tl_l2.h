/* L2_NORMALIZATION of int8 rows. The specification is codegen/operators/l2_normalization.py. */
#ifndef TL_L2_H
#define TL_L2_H

#include "tl_fixed.h"

/* x * 2^bits within 32 bits */
static inline int32_t tl_shift_left(int32_t x, int32_t bits)
{
    const int32_t most = INT32_MAX >> bits;
    return x > most ? INT32_MAX : x < -most - 1 ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / sqrt(value) = multiplier * 2^(-31 - shift); 0 is read as 1 */
static inline int32_t tl_inverse_root(int32_t value, int32_t *shift)
{
    *shift = 0;
    if (value <= 1) {
        return INT32_MAX;
    }
    *shift = 11;
    for (; value >= 1 << 29; value /= 4) {
        ++*shift;
    }
    for (; value < 1 << 27; value *= 4) {
        --*shift;
    }
    const int32_t half = ((value >> 1) + 1) >> 1;
    int32_t x = 1 << 28;
    for (int32_t step = 0; step < 5; step++) {
        const int32_t cube = tl_shift_left(tl_doubling_high(tl_doubling_high(x, x), x), 6);
        x = tl_shift_left(tl_doubling_high(3 << 27, x) - tl_doubling_high(half, cube), 3);
    }
    x = tl_doubling_high(x, 1518500250); /* sqrt(1/2) */
    if (*shift < 0) {
        x = (int32_t)((uint32_t)x << -*shift);
        *shift = 0;
    }
    return x;
}

static inline void tl_l2_normalise(const int8_t *x, int32_t rows, int32_t depth, int32_t zero, int8_t *y)
{
    for (int32_t row = 0; row < rows; row++, x += depth, y += depth) {
        int32_t sum = 0, shift = 0;
        for (int32_t i = 0; i < depth; i++) {
            sum += (x[i] - zero) * (x[i] - zero);
        }
        const int32_t multiplier = tl_inverse_root(sum, &shift);
        for (int32_t i = 0; i < depth; i++) {
            const int32_t scaled = shift < 7 ? tl_scale_up(x[i] - zero, multiplier, 7 - shift)
                                             : tl_scale_down(x[i] - zero, multiplier, shift - 7);
            y[i] = (int8_t)tl_sat8(scaled);
        }
    }
}

#endif
