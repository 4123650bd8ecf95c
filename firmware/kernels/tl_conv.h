/* CONV_2D, NHWC, batch 1. Weights [out channel][row][column][depth]; depth is the image's channels, or a group of them.
 * Outside the image x equals its zero point and adds nothing.
 */
#ifndef TL_CONV_H
#define TL_CONV_H

#include "tl_depthwise.h"

/* SCALE turns a sum into an output before the zero point: int8 sums are rounded twice, int16 sums once */
#define TL_CONV(NAME, ELEMENT, SCALE)                                                                                  \
    static inline void NAME(const ELEMENT *x, const int8_t *weights, const int32_t *bias, const tl_scaling_t *scaling, \
                            const tl_conv_shape_t s, int32_t depth, int32_t input_zero, ELEMENT *y)                    \
    {                                                                                                                  \
        const int32_t channels_a_group = s.out_channels / (s.channels / depth);                                        \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            for (int32_t column = 0; column < s.out_width; column++) {                                                 \
                const int8_t *w = weights;                                                                             \
                for (int32_t channel = 0; channel < s.out_channels; channel++) {                                       \
                    const ELEMENT *group = x + channel / channels_a_group * depth;                                     \
                    int32_t sum = bias[channel];                                                                       \
                    for (int32_t i = 0; i < s.kernel_height; i++) {                                                    \
                        const int32_t from_h = row * s.stride_height - s.pad_height + i * s.dilation_height;           \
                        for (int32_t j = 0; j < s.kernel_width; j++, w += depth) {                                     \
                            const int32_t from_w = column * s.stride_width - s.pad_width + j * s.dilation_width;       \
                            if (from_h < 0 || from_h >= s.height || from_w < 0 || from_w >= s.width) {                 \
                                continue;                                                                              \
                            }                                                                                          \
                            const ELEMENT *pixel = group + (from_h * s.width + from_w) * s.channels;                   \
                            for (int32_t k = 0; k < depth; k++) {                                                      \
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

TL_CONV(tl_conv_s8, int8_t, tl_depthwise_twice)
TL_CONV(tl_conv_s16, int16_t, tl_depthwise_wide)

#endif
