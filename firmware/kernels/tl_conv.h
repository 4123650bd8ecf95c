/* CONV_2D, NHWC, batch 1. Weights [out channel][row][column][depth]; depth is the image's channels, or a group of them.
 * Outside the image x equals its zero point and adds nothing. DEPTHWISE_CONV_2D is as many groups as channels.
 */
#ifndef TL_CONV_H
#define TL_CONV_H

#include "tl_block_pairs.h"
#include "tl_depthwise.h"

/* Output channels `which` of a layer, or with NULL the first `count`, from weights, biases and scales of these alone.
 * SCALE turns a sum into an output before the zero point: int8 sums are rounded twice, int16 sums once */
#define TL_CONV(NAME, ELEMENT, SUM, SCALE)                                                                             \
    TL_SHARED void NAME(const ELEMENT *x, const int8_t *weights, const int32_t *bias, const tl_scaling_t *scaling,     \
                        const tl_conv_shape_t *shape, int32_t depth, int32_t input_zero, const uint16_t *which,        \
                        int32_t count, ELEMENT *y)                                                                     \
    {                                                                                                                  \
        const tl_conv_shape_t s = *shape;                                                                              \
        const int32_t channels_a_group = s.out_channels / (s.channels / depth);                                        \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            for (int32_t column = 0; column < s.out_width; column++, y += s.out_channels) {                            \
                const int8_t *w = weights;                                                                             \
                for (int32_t n = 0; n < count; n++) {                                                                  \
                    const int32_t channel = which == NULL ? n : which[n];                                              \
                    const ELEMENT *group = x + channel / channels_a_group * depth;                                     \
                    SUM sum = bias[n];                                                                                 \
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
                    const int32_t scale = scaling->per_channel ? n : 0;                                                \
                    const int32_t scaled = SCALE(sum, scaling->multiplier[scale], scaling->shift[scale]);              \
                    y[channel] = (ELEMENT)tl_clamp(scaled + scaling->zero_point, scaling->low, scaling->high);         \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_CONV(tl_conv_s8, int8_t, int32_t, tl_depthwise_twice)
TL_CONV(tl_conv_s16, int16_t, int64_t, tl_depthwise_wide)
TL_CONV(tl_conv_s16_narrow, int16_t, int32_t, tl_depthwise_twice) /* where the bias has 32 bits */

typedef struct {
    tl_block_t block;
    tl_conv_shape_t shape;
    int16_t input_zero; /* of int8 */
} tl_conv_blocks_t;

/* What the output place whose window begins at (top, left) sees, row by row or, where columns are apart, tap by tap.
 * `depth` channels of each pixel from `channel` on; `wide`: of int16. */
TL_INLINE void tl_gather_taps(const tl_conv_blocks_t *layer, const void *x, int32_t channel, int32_t depth, int32_t top,
                              int32_t left, int16_t *to, int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t height = s->height, width = s->width, channels = s->channels, taps = s->kernel_width;
    const int32_t below = s->dilation_height, beside = s->dilation_width, row = width * channels;
    const int32_t span = beside == 1 && depth == channels ? taps : 1, size = span * depth;
    int32_t from = top * row + left * channels + channel, rows = s->kernel_height;
    if (span == taps && top >= 0 && top + (rows - 1) * below < height && left >= 0 && left + span <= width) {
        tl_gather_runs(to, x, from, size, rows, below * row, wide);
        return;
    }
    const int32_t outside = wide ? 0 : layer->input_zero + TL_RAISE, along = (size + 1) / 2 * 8;
    for (int32_t h = top; rows > 0; rows--, h += below, from += below * row) {
        for (int32_t j = 0, w = left, at = from; j < taps;
             j += span, w += beside, at += beside * channels, to += along) {
            if (h < 0 || h >= height) {
                tl_gather_fill(to, size, outside);
            } else if (w >= 0 && w + span <= width) {
                tl_gather_runs(to, x, at, size, 1, 0, wide);
            } else {
                const int32_t first = tl_clamp(-w, 0, span), last = tl_clamp(width - w, first, span);
                tl_gather_part(to, x, at, first * depth, last * depth, size, outside, wide);
            }
        }
    }
}

TL_SHARED void tl_gather_window_s8(const tl_conv_blocks_t *layer, const void *x, int32_t channel, int32_t depth,
                                   int32_t top, int32_t left, int16_t *to)
{
    tl_gather_taps(layer, x, channel, depth, top, left, to, 0);
}

TL_SHARED void tl_gather_window_s16(const tl_conv_blocks_t *layer, const void *x, int32_t channel, int32_t depth,
                                    int32_t top, int32_t left, int16_t *to)
{
    tl_gather_taps(layer, x, channel, depth, top, left, to, 1);
}

TL_INLINE void tl_gather_window(const tl_conv_blocks_t *layer, const void *x, int32_t channel, int32_t depth,
                                int32_t top, int32_t left, int16_t *to, int32_t wide)
{
    if (wide) {
        tl_gather_window_s16(layer, x, channel, depth, top, left, to);
    } else {
        tl_gather_window_s8(layer, x, channel, depth, top, left, to);
    }
}

/* Four output places at a time; gathered[8 * words]. Filters of one tap and stride 1 walk over the image's pixels. */
TL_INLINE void tl_conv_blocks(const tl_conv_blocks_t *layer, const void *x, int16_t *gathered, uint8_t *y,
                              int32_t element)
{
    const int32_t wide = element == TL_S16;
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t one = s->kernel_height * s->kernel_width * s->stride_height * s->stride_width == 1;
    const int32_t places = s->out_height * s->out_width, pixel = s->out_channels * (wide ? 2 : 1);
    int32_t top = -s->pad_height, left = -s->pad_width, column = 0, from = 0;
    for (int32_t rest = places; rest > 0; rest -= 4) {
        const int32_t count = rest < 4 ? rest : 4;
        for (int32_t i = 0; i < count; i++) {
            if (one) {
                tl_gather_runs(tl_pixel_place(gathered, i), x, from, s->channels, 1, 0, wide);
                from += s->channels;
                continue;
            }
            tl_gather_window(layer, x, 0, s->channels, top, left, tl_pixel_place(gathered, i), wide);
            left += s->stride_width;
            if (++column == s->out_width) {
                column = 0;
                left = -s->pad_width;
                top += s->stride_height;
            }
        }
        const tl_block_places_t at = {count > 1 ? pixel : 0, count > 2 ? 2 * pixel : 0, count > 3 ? 3 * pixel : 0};
        tl_block_outputs(&layer->block, gathered, at, y, element);
        y += count * pixel;
    }
}

TL_SHARED void tl_conv_blocks_s8(const tl_conv_blocks_t *layer, const int8_t *x, int16_t *gathered, int8_t *y)
{
    tl_conv_blocks(layer, x, gathered, (uint8_t *)y, TL_S8);
    const int32_t size = layer->shape.out_height * layer->shape.out_width * layer->shape.out_channels;
    tl_limits_s8(y, size, layer->block.low, layer->block.high);
}

TL_SHARED void tl_conv_blocks_deep(const tl_conv_blocks_t *layer, const int8_t *x, int16_t *gathered, int8_t *y)
{
    tl_conv_blocks(layer, x, gathered, (uint8_t *)y, TL_DEEP);
    const int32_t size = layer->shape.out_height * layer->shape.out_width * layer->shape.out_channels;
    tl_limits_s8(y, size, layer->block.low, layer->block.high);
}

TL_SHARED void tl_conv_blocks_s16(const tl_conv_blocks_t *layer, const int16_t *x, int16_t *gathered, int16_t *y)
{
    tl_conv_blocks(layer, x, gathered, (uint8_t *)y, TL_S16);
    const int32_t size = layer->shape.out_height * layer->shape.out_width * layer->shape.out_channels;
    tl_limits_s16(y, size, layer->block.low, layer->block.high);
}

#endif
