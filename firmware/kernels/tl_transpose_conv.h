/* TRANSPOSE_CONV, NHWC, batch 1. Weights [out channel][row][column][channel]. Written from the output's side: a tap
 * meets an input pixel where its distance is a multiple of the stride.
 */
#ifndef TL_TRANSPOSE_CONV_H
#define TL_TRANSPOSE_CONV_H

#include "tl_depthwise.h"

/* From tap to tap that meets a pixel: the tap goes up by the stride while the pixel goes down by one. */
#define TL_TRANSPOSE_CONV(NAME, ELEMENT, SUM, SCALE)                                                                   \
    TL_SHARED void NAME(const ELEMENT *x, const int8_t *weights, const int32_t *bias, const tl_scaling_t *scaling,     \
                        const tl_conv_shape_t *shape, int32_t input_zero, ELEMENT *y)                                  \
    {                                                                                                                  \
        const tl_conv_shape_t s = *shape;                                                                              \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            const int32_t below = row + s.pad_height, first_i = below % s.stride_height;                               \
            for (int32_t column = 0; column < s.out_width; column++) {                                                 \
                const int32_t right = column + s.pad_width, first_j = right % s.stride_width;                          \
                const int8_t *filter = weights;                                                                        \
                for (int32_t channel = 0; channel < s.out_channels; channel++) {                                       \
                    int32_t h = below / s.stride_height;                                                               \
                    SUM sum = bias[channel];                                                                           \
                    for (int32_t i = first_i; i < s.kernel_height && h >= 0; i += s.stride_height, h--) {              \
                        int32_t v = right / s.stride_width;                                                            \
                        for (int32_t j = first_j; j < s.kernel_width && v >= 0; j += s.stride_width, v--) {            \
                            if (h >= s.height || v >= s.width) {                                                       \
                                continue;                                                                              \
                            }                                                                                          \
                            const ELEMENT *const pixel = x + (h * s.width + v) * s.channels;                           \
                            const int8_t *const w = filter + (i * s.kernel_width + j) * s.channels;                    \
                            for (int32_t k = 0; k < s.channels; k++) {                                                 \
                                sum += (pixel[k] - input_zero) * w[k];                                                 \
                            }                                                                                          \
                        }                                                                                              \
                    }                                                                                                  \
                    filter += s.kernel_height * s.kernel_width * s.channels;                                           \
                    const int32_t scale = scaling->per_channel ? channel : 0;                                          \
                    const int32_t scaled = SCALE(sum, scaling->multiplier[scale], scaling->shift[scale]);              \
                    *y++ = (ELEMENT)tl_clamp(scaled + scaling->zero_point, scaling->low, scaling->high);               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_TRANSPOSE_CONV(tl_transpose_conv_s8, int8_t, int32_t, tl_depthwise_twice)
TL_TRANSPOSE_CONV(tl_transpose_conv_s16, int16_t, int64_t, tl_depthwise_wide)
TL_TRANSPOSE_CONV(tl_transpose_conv_s16_narrow, int16_t, int32_t, tl_depthwise_twice) /* where the bias has 32 bits */

#endif
