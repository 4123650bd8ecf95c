/* Arithmetic of updatable programs, whose multipliers and shifts are data. */
#ifndef TL_DATA_H
#define TL_DATA_H

#include "tl_fixed.h"

/* x * multiplier * 2^(shift - 31), rounded twice, whatever the sign of the shift */
static inline int32_t tl_scale(int32_t x, int32_t multiplier, int32_t shift)
{
    return shift > 0 ? tl_scale_up(x, multiplier, shift) : tl_scale_down_sum(x, multiplier, -shift);
}

/* tl_scale_doubled of data; half: 2^(shift - 1) */
static inline int32_t tl_scale_halved(int32_t twice, int32_t multiplier, int32_t half, int32_t shift)
{
    return (tl_high_rounded(twice, multiplier, half) + (twice >> 31)) >> shift;
}

/* Twice the sum of two operands brought to one scale, see codegen/operators/add.py: that of the smaller scale is
 * scaled, the other shifted. `swap` (-1 or 0): b is the smaller. small_zero and large_zero: what the shifted zero
 * points add. */
static inline int32_t tl_scaled_of_data(int32_t small, int32_t small_zero, int32_t multiplier, int32_t half,
                                        int32_t shift, int32_t left)
{
    return tl_scale_halved((int32_t)(((uint32_t)small << (left + 1)) + (uint32_t)small_zero), multiplier, half, shift);
}

static inline int32_t tl_sum_of_data(int32_t a, int32_t b, int32_t swap, int32_t small_zero, int32_t multiplier,
                                     int32_t half, int32_t shift, int32_t large_zero, int32_t left)
{
    const int32_t differ = (a ^ b) & swap;
    const int32_t scaled = tl_scaled_of_data(a ^ differ, small_zero, multiplier, half, shift, left);
    return (int32_t)(((uint32_t)scaled << 1) + (((uint32_t)(b ^ differ) << left) + (uint32_t)large_zero));
}

/* the same of a difference; the signs are 1 or -1 */
static inline int32_t tl_difference_of_data(int32_t a, int32_t b, int32_t swap, int32_t small_zero, int32_t multiplier,
                                            int32_t half, int32_t shift, int32_t large_zero, int32_t left,
                                            int32_t small_sign, int32_t large_sign)
{
    const int32_t differ = (a ^ b) & swap;
    const int32_t scaled = tl_scaled_of_data(a ^ differ, small_zero, multiplier, half, shift, left);
    const int32_t large = (int32_t)(((uint32_t)(b ^ differ) << left) + (uint32_t)large_zero);
    return scaled * 2 * small_sign + large * large_sign;
}

#endif
