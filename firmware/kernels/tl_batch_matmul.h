/* BATCH_MATMUL of two activations. b is read at column * column_stride + k * depth_stride. */
#ifndef TL_BATCH_MATMUL_H
#define TL_BATCH_MATMUL_H

#include "tl_fixed.h"

static inline void tl_batch_matmul_s8(const int8_t *a, const int8_t *b, int32_t batches, int32_t rows, int32_t depth,
                                      int32_t columns, int32_t column_stride, int32_t depth_stride, int32_t a_zero,
                                      int32_t b_zero, int32_t multiplier, int32_t shift, int32_t zero_point, int8_t *y)
{
    for (int32_t batch = 0; batch < batches; batch++) {
        for (int32_t row = 0; row < rows; row++) {
            for (int32_t column = 0; column < columns; column++) {
                int32_t sum = 0;
                for (int32_t k = 0; k < depth; k++) {
                    sum += (a[row * depth + k] - a_zero) * (b[column * column_stride + k * depth_stride] - b_zero);
                }
                sum = shift > 0 ? tl_scale_up(sum, multiplier, shift) : tl_scale_down_sum(sum, multiplier, -shift);
                *y++ = (int8_t)tl_sat8(sum + zero_point);
            }
        }
        a += rows * depth;
        b += columns * depth;
    }
}

static inline void tl_batch_matmul_s16(const int16_t *a, const int16_t *b, int32_t batches, int32_t rows, int32_t depth,
                                       int32_t columns, int32_t column_stride, int32_t depth_stride, int32_t a_zero,
                                       int32_t b_zero, int32_t multiplier, int32_t shift, int32_t zero_point,
                                       int16_t *y)
{
    for (int32_t batch = 0; batch < batches; batch++) {
        for (int32_t row = 0; row < rows; row++) {
            for (int32_t column = 0; column < columns; column++) {
                int64_t sum = 0;
                for (int32_t k = 0; k < depth; k++) {
                    sum += (a[row * depth + k] - a_zero) * (b[column * column_stride + k * depth_stride] - b_zero);
                }
                *y++ = (int16_t)tl_sat16(tl_requantise_wide(sum, multiplier, shift) + zero_point);
            }
        }
        a += rows * depth;
        b += columns * depth;
    }
}

#endif
