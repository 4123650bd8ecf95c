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

/* Twice an operand of a sum, brought to the scale of both, see codegen/operators/add.py: that of the smaller scale is
 * scaled, the other shifted. zero: what its zero point adds, shifted likewise. */
static inline int32_t tl_scaled_of_data(int32_t x, int32_t zero, int32_t multiplier, int32_t half, int32_t shift,
                                        int32_t left)
{
    return 2 * tl_scale_halved((int32_t)(((uint32_t)x << (left + 1)) + (uint32_t)zero), multiplier, half, shift);
}

static inline int32_t tl_shifted_of_data(int32_t x, int32_t zero, int32_t left)
{
    return (int32_t)(((uint32_t)x << left) + (uint32_t)zero);
}

#endif
