/* DEPTHWISE_CONV_2D, NHWC, batch 1, one or more filters a channel. Outside the image x equals its zero point and adds
 * nothing. */
#ifndef TL_DEPTHWISE_H
#define TL_DEPTHWISE_H

#include "tl_fully_connected.h"

typedef struct {
    uint16_t height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
    uint16_t stride_height, stride_width, dilation_height, dilation_width, pad_height, pad_width;
} tl_conv_shape_t;

/* SCALE turns a sum into an output before the zero point: int8 sums are rounded twice, int16 sums once */
#define TL_DEPTHWISE(NAME, ELEMENT, SUM, SCALE)                                                                        \
    TL_SHARED void NAME(const ELEMENT *x, const int8_t *weights, const int32_t *bias, const tl_scaling_t *scaling,     \
                        const tl_conv_shape_t *shape, int32_t input_zero, ELEMENT *y)                                  \
    {                                                                                                                  \
        const tl_conv_shape_t s = *shape;                                                                              \
        const int32_t multiplier = s.out_channels / s.channels;                                                        \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            for (int32_t column = 0; column < s.out_width; column++) {                                                 \
                for (int32_t c = 0, in = 0, of = 0; c < s.out_channels; c++) {                                         \
                    SUM sum = bias[c];                                                                                 \
                    for (int32_t i = 0; i < s.kernel_height; i++) {                                                    \
                        const int32_t h = row * s.stride_height - s.pad_height + i * s.dilation_height;                \
                        for (int32_t j = 0; j < s.kernel_width; j++) {                                                 \
                            const int32_t w = column * s.stride_width - s.pad_width + j * s.dilation_width;            \
                            if (h >= 0 && h < s.height && w >= 0 && w < s.width) {                                     \
                                sum += (x[(h * s.width + w) * s.channels + in] - input_zero) *                         \
                                       weights[(i * s.kernel_width + j) * s.out_channels + c];                         \
                            }                                                                                          \
                        }                                                                                              \
                    }                                                                                                  \
                    const int32_t scale = scaling->per_channel ? c : 0;                                                \
                    const int32_t scaled = SCALE(sum, scaling->multiplier[scale], scaling->shift[scale]);              \
                    *y++ = (ELEMENT)tl_clamp(scaled + scaling->zero_point, scaling->low, scaling->high);               \
                    if (++of == multiplier) {                                                                          \
                        of = 0;                                                                                        \
                        in++;                                                                                          \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_SHARED int32_t tl_depthwise_twice(int32_t sum, int32_t multiplier, int32_t shift)
{
    return shift > 0 ? tl_scale_up(sum, multiplier, shift) : tl_scale_down_sum(sum, multiplier, -shift);
}

TL_DEPTHWISE(tl_depthwise_s8, int8_t, int32_t, tl_depthwise_twice)

TL_SHARED int32_t tl_depthwise_wide(int64_t sum, int32_t multiplier, int32_t shift)
{
    return tl_requantise_wide(sum, multiplier, shift);
}

TL_DEPTHWISE(tl_depthwise_s16, int16_t, int64_t, tl_depthwise_wide)

#endif
