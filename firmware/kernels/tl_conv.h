/* CONV_2D, NHWC, batch 1. Weights [out channel][row][column][depth]; depth is the image's channels, or a group of them.
 * Outside the image x equals its zero point and adds nothing.
 */
#ifndef TL_CONV_H
#define TL_CONV_H

#include "tl_blocks.h"
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

typedef struct {
    tl_block_t block;
    tl_conv_shape_t shape;
    int16_t input_zero;
} tl_conv_blocks_t;

/* what the output place whose window begins at (top, left) sees, row by row or, where columns are apart, tap by tap */
static inline void tl_gather_window(const tl_conv_blocks_t *layer, const int8_t *x, int32_t top, int32_t left,
                                    int16_t *to)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t span = s->dilation_width == 1 ? s->kernel_width : 1, size = span * s->channels;
    for (int32_t i = 0, h = top; i < s->kernel_height; i++, h += s->dilation_height) {
        for (int32_t j = 0, w = left; j < s->kernel_width; j += span, w += s->dilation_width) {
            const int8_t *const from = x + (h * s->width + w) * s->channels;
            if (h < 0 || h >= s->height) {
                tl_gather_fill(to, size, layer->input_zero);
            } else if (w >= 0 && w + span <= s->width) {
                tl_gather_whole(to, from, size);
            } else {
                const int32_t first = tl_clamp(-w, 0, span), last = tl_clamp(s->width - w, first, span);
                tl_gather_part(to, from, first * s->channels, last * s->channels, size, layer->input_zero);
            }
            to += (size + 1) / 2 * 8;
        }
    }
}

/* Four output places at a time; gathered[8 * words]. Filters of one tap and stride 1 walk over the image's pixels. */
TL_SHARED void tl_conv_blocks_s8(const tl_conv_blocks_t *layer, const int8_t *x, int16_t *gathered, int8_t *y)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t one = s->kernel_height * s->kernel_width * s->stride_height * s->stride_width == 1;
    const int32_t places = s->out_height * s->out_width;
    const int8_t *pixel = x;
    int8_t *out = y;
    int32_t top = -s->pad_height, left = -s->pad_width, column = 0;
    for (int32_t rest = places; rest > 0; rest -= 4) {
        const int32_t count = rest < 4 ? rest : 4;
        for (int32_t i = 0; i < count; i++) {
            if (one) {
                tl_gather_whole(tl_pixel_place(gathered, i), pixel, s->channels);
                pixel += s->channels;
                continue;
            }
            tl_gather_window(layer, x, top, left, tl_pixel_place(gathered, i));
            left += s->stride_width;
            if (++column == s->out_width) {
                column = 0;
                left = -s->pad_width;
                top += s->stride_height;
            }
        }
        tl_block_outputs(&layer->block, gathered, count, out);
        out += count * s->out_channels;
    }
    tl_saturated_limits(y, places * s->out_channels, layer->block.low, layer->block.high);
}

#endif
