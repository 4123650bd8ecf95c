/* What the plain kernels of convolutions share: sizes, and how sums become outputs. NHWC, batch 1. */
#ifndef TL_DEPTHWISE_H
#define TL_DEPTHWISE_H

#include "tl_fully_connected.h"

typedef struct {
    uint16_t height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
    uint16_t stride_height, stride_width, dilation_height, dilation_width, pad_height, pad_width;
} tl_conv_shape_t;

TL_SHARED int32_t tl_depthwise_twice(int32_t sum, int32_t multiplier, int32_t shift)
{
    return shift > 0 ? tl_scale_up(sum, multiplier, shift) : tl_scale_down_sum(sum, multiplier, -shift);
}

TL_SHARED int32_t tl_depthwise_wide(int64_t sum, int32_t multiplier, int32_t shift)
{
    return tl_requantise_wide(sum, multiplier, shift);
}

#endif
