/* TRANSPOSE_CONV, NHWC, batch 1. Weights [out channel][row][column][channel]. Written from the output's side: a tap meets
 * an input pixel where its distance is a multiple of the stride.
 */
#ifndef TL_TRANSPOSE_CONV_H
#define TL_TRANSPOSE_CONV_H

#include "tl_depthwise.h"

/* the input row or column that meets tap `tap` at output place `at`, or -1 */
static inline int32_t tl_transposed(int32_t at, int32_t pad, int32_t tap, int32_t stride, int32_t size)
{
    const int32_t distance = at + pad - tap;
    return distance < 0 || distance % stride != 0 || distance / stride >= size ? -1 : distance / stride;
}

#define TL_TRANSPOSE_CONV(NAME, ELEMENT, SCALE)                                                                        \
    static inline void NAME(const ELEMENT *x, const int8_t *weights, const int32_t *bias, const tl_scaling_t *scaling, \
                            const tl_conv_shape_t s, int32_t input_zero, ELEMENT *y)                                   \
    {                                                                                                                  \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            for (int32_t column = 0; column < s.out_width; column++) {                                                 \
                const int8_t *w = weights;                                                                             \
                for (int32_t channel = 0; channel < s.out_channels; channel++) {                                       \
                    int32_t sum = bias[channel];                                                                       \
                    for (int32_t i = 0; i < s.kernel_height; i++) {                                                    \
                        const int32_t h = tl_transposed(row, s.pad_height, i, s.stride_height, s.height);              \
                        for (int32_t j = 0; j < s.kernel_width; j++, w += s.channels) {                                \
                            const int32_t v = tl_transposed(column, s.pad_width, j, s.stride_width, s.width);          \
                            if (h < 0 || v < 0) {                                                                      \
                                continue;                                                                              \
                            }                                                                                          \
                            const ELEMENT *pixel = x + (h * s.width + v) * s.channels;                                 \
                            for (int32_t k = 0; k < s.channels; k++) {                                                 \
                                sum += (pixel[k] - input_zero) * w[k];                                                 \
                            }                                                                                          \
                        }                                                                                              \
                    }                                                                                                  \
                    const int32_t scale = scaling->per_channel ? channel : 0;                                          \
                    sum = SCALE(sum, scaling->multiplier[scale], scaling->shift[scale]) + scaling->zero_point;         \
                    *y++ = (ELEMENT)tl_clamp(sum, scaling->low, scaling->high);                                        \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_TRANSPOSE_CONV(tl_transpose_conv_s8, int8_t, tl_depthwise_twice)
TL_TRANSPOSE_CONV(tl_transpose_conv_s16, int16_t, tl_depthwise_wide)

#endif
