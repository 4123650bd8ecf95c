/* DEPTHWISE_CONV_2D of 3 x 3 neighbouring taps, four channels at a time: rows of the image are widened channel by
 * channel into a ring of three, so that neighbours along a row are neighbours in memory and the image is read before
 * the result is written: both may be the same memory when they are of one shape. Four outputs are made at a time, see
 * tl_row_sums.h; other filters are for tl_depthwise_taps.h.
 *
 * Values of int8 are raised as in tl_blocks.h, those of int16 ("wide") are not.
 */
#ifndef TL_DEPTHWISE_ROWS_H
#define TL_DEPTHWISE_ROWS_H

#include "tl_blocks.h"
#include "tl_depthwise.h"
#include "tl_row_sums.h"

typedef struct {
    const int8_t *weights; /* [out channel][row][column] */
    const int32_t *bias;   /* this to `shift` as in tl_block_t */
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t row, pixel; /* values from row to row and from pixel to pixel of the image */
    int32_t out_row, out_pixel;
    int32_t pitch;         /* int16 values a row of the ring */
    tl_conv_shape_t shape; /* rows and columns may have changed places: the longer lines go faster */
    uint16_t rows;         /* this to `beyond` are for tl_depthwise_lines.h alone; rows of the ring */
    uint16_t phases, beyond;
    uint16_t per_channel; /* this and what follows as in tl_block_t */
    int16_t zero, low, high, input_zero;
} tl_depthwise_rows_t;

TL_INLINE void tl_depthwise_put(uint8_t *y, int32_t sum, const tl_depthwise_channel_t *c, int32_t wide)
{
    if (wide) {
        tl_put_output(y, sum, c->multiplier, 0, 0, 1);
    } else {
        *(int8_t *)y = (int8_t)tl_depthwise_output(sum, c);
    }
}

/* writes `count` outputs: one or two of two, three or more of four */
TL_INLINE void tl_depthwise_two(uint8_t *y, tl_row_sums_t s, const tl_depthwise_channel_t *c, int32_t count,
                                int32_t wide)
{
    if (count > 1) {
        tl_depthwise_put(y + c->step, s.s1, c, wide);
    }
    tl_depthwise_put(y, s.s0, c, wide);
}

TL_INLINE void tl_depthwise_four(uint8_t *y, tl_row_sums_t s, const tl_depthwise_channel_t *c, int32_t count,
                                 int32_t wide)
{
    const int32_t step = c->step;
    if (count > 3) {
        tl_depthwise_put(y + 3 * step, s.s3, c, wide);
    }
    tl_depthwise_put(y + 2 * step, s.s2, c, wide);
    tl_depthwise_put(y + step, s.s1, c, wide);
    tl_depthwise_put(y, s.s0, c, wide);
}

/* one output row of up to four channels, whose planes lie `plane` apart, from three rows of the ring */
TL_INLINE void tl_depthwise_three(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                                  const tl_depthwise_channel_t *own, int32_t channels, int32_t plane, int32_t width,
                                  int32_t apart, uint8_t *out, int32_t wide)
{
    for (const tl_depthwise_channel_t *c = own; c < own + channels; c++) {
        const int16_t *first = top, *second = middle, *third = bottom;
        uint8_t *y = out;
        out += wide ? 2 : 1;
        int32_t left = width;
        if (apart) {
            for (; left > 2; left -= 4, first += 8, second += 8, third += 8, y += 4 * c->step) {
                tl_depthwise_four(y, tl_rows_wide(first, second, third, c, 1), c, left, wide);
            }
            if (left > 0) {
                tl_depthwise_two(y, tl_rows_wide(first, second, third, c, 1), c, left, wide);
            }
        } else {
            for (; left > 2; left -= 4, first += 4, second += 4, third += 4, y += 4 * c->step) {
                const tl_row_sums_t s = wide ? tl_rows_wide(first, second, third, c, 0)
                                             : tl_rows_four(tl_depthwise_start(c), first, second, third, c);
                tl_depthwise_four(y, wide ? s : tl_depthwise_end(s), c, left, wide);
            }
            if (left > 0) {
                const tl_row_sums_t s = wide ? tl_rows_wide(first, second, third, c, 0)
                                             : tl_rows_two(tl_depthwise_start(c), first, second, third, c);
                tl_depthwise_two(y, wide ? s : tl_depthwise_end(s), c, left, wide);
            }
        }
        top += plane;
        middle += plane;
        bottom += plane;
    }
}

TL_SHARED void tl_depthwise_row3(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                                 const tl_depthwise_channel_t *own, int32_t channels, int32_t plane, int32_t width,
                                 int32_t apart, uint8_t *out)
{
#if TL_ROW_LINES
    const int32_t step = own->step, along = width / 4 * (apart ? 8 : 4), left = width % 4;
    if (width >= 4) {
        tl_row_lines(top, middle, bottom, own, channels, plane, width / 4, apart, step, out);
    }
    if (left == 0) {
        return;
    }
    top += along;
    middle += along;
    bottom += along;
    out += (width - left) * step;
    if (left <= 2 && !apart) {
        for (const tl_depthwise_channel_t *c = own; c < own + channels; c++, out++) {
            const tl_row_sums_t sums = tl_rows_two(tl_depthwise_start(c), top, middle, bottom, c);
            tl_depthwise_two(out, tl_depthwise_end(sums), c, left, 0);
            top += plane;
            middle += plane;
            bottom += plane;
        }
    } else { /* of four more, the first ones */
        uint8_t four[16];
        tl_row_lines(top, middle, bottom, own, channels, plane, 1, apart, 4, four);
        for (const uint8_t *from = four; from < four + 4 * left; from += 4, out += step) {
            if (channels == 4) {
                __builtin_memcpy(out, from, 4);
                continue;
            }
            for (int32_t k = 0; k < channels; k++) {
                out[k] = from[k];
            }
        }
    }
#else
    tl_depthwise_three(top, middle, bottom, own, channels, plane, width, apart, out, 0);
#endif
}

TL_SHARED void tl_depthwise_row3_s16(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                                     const tl_depthwise_channel_t *own, int32_t channels, int32_t plane, int32_t width,
                                     int32_t apart, uint8_t *out)
{
    tl_depthwise_three(top, middle, bottom, own, channels, plane, width, apart, out, 1);
}

#if TL_DSP
/* a pixel of four values, one into each channel's plane */
static inline void tl_widen_one(int16_t *to, int32_t plane, const int8_t *x)
{
    const uint32_t word = tl_load4(x);
    uint32_t even, odd;
    __asm__("sxtab16 %0, %1, %2" : "=r"(even) : "r"(TL_RAISE * 0x10001), "r"(word));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd) : "r"(TL_RAISE * 0x10001), "r"(word));
    to[0] = (int16_t)even;
    to[plane] = (int16_t)odd;
    to[2 * plane] = (int16_t)(even >> 16);
    to[3 * plane] = (int16_t)(odd >> 16);
}
#endif

/* `width` pixels of `channels` (1 to 4) values each, `step` apart, into one row of each channel's plane */
TL_SHARED void tl_widen_row(int16_t *to, int32_t plane, const int8_t *x, int32_t step, int32_t channels, int32_t width)
{
#if TL_DSP
    if (channels == 4) {
        if (width > 0 && ((uintptr_t)to & 2u) != 0) { /* words begin at even places */
            tl_widen_one(to++, plane, x);
            width--;
            x += step;
        }
        for (; width > 1; width -= 2, to += 2) {
            const uint32_t first = tl_load4(x), second = tl_load4(x + step);
            uint32_t even, odd, even_2, odd_2, pair;
            x += 2 * step;
            __asm__("sxtab16 %0, %1, %2" : "=r"(even) : "r"(TL_RAISE * 0x10001), "r"(first));
            __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd) : "r"(TL_RAISE * 0x10001), "r"(first));
            __asm__("sxtab16 %0, %1, %2" : "=r"(even_2) : "r"(TL_RAISE * 0x10001), "r"(second));
            __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd_2) : "r"(TL_RAISE * 0x10001), "r"(second));
            __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(even), "r"(even_2));
            __builtin_memcpy(to, &pair, sizeof pair);
            __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(odd), "r"(odd_2));
            __builtin_memcpy(to + plane, &pair, sizeof pair);
            __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(even_2), "r"(even));
            __builtin_memcpy(to + 2 * plane, &pair, sizeof pair);
            __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(odd_2), "r"(odd));
            __builtin_memcpy(to + 3 * plane, &pair, sizeof pair);
        }
        if (width > 0) {
            tl_widen_one(to, plane, x);
        }
        return;
    }
#else
    if (channels == 4) {
        int16_t *first = to, *second = to + plane, *third = second + plane, *fourth = third + plane;
        for (; width > 0; width--, x += step) {
            const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
            *first++ = (int16_t)(x0 + TL_RAISE);
            *second++ = (int16_t)(x1 + TL_RAISE);
            *third++ = (int16_t)(x2 + TL_RAISE);
            *fourth++ = (int16_t)(x3 + TL_RAISE);
        }
    }
#endif
    for (; width > 0; width--, x += step, to++) {
        for (int32_t k = 0; k < channels; k++) {
            to[k * plane] = (int16_t)(x[k] + TL_RAISE);
        }
    }
}

static inline void tl_fill_row(int16_t *to, int32_t plane, int32_t value, int32_t channels, int32_t width)
{
    for (int32_t k = 0; k < channels; k++) {
        for (int32_t i = 0; i < width; i++) {
            to[k * plane + i] = (int16_t)value;
        }
    }
}

/* the same of int16, which are not raised */
TL_SHARED void tl_spread_row(int16_t *to, int32_t plane, const int16_t *x, int32_t step, int32_t channels,
                             int32_t width)
{
#if TL_DSP
    if (channels == 4) {
        for (; width > 0 && ((uintptr_t)to & 2u) != 0; width--, x += step, to++) {
            to[0] = x[0];
            to[plane] = x[1];
            to[2 * plane] = x[2];
            to[3 * plane] = x[3];
        }
        for (; width > 1; width -= 2, to += 2) {
            const uint32_t first = tl_load4(x), first_2 = tl_load4(x + 2);
            const uint32_t second = tl_load4(x + step), second_2 = tl_load4(x + step + 2);
            uint32_t pair;
            x += 2 * step;
            __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(first), "r"(second));
            __builtin_memcpy(to, &pair, sizeof pair);
            __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(second), "r"(first));
            __builtin_memcpy(to + plane, &pair, sizeof pair);
            __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(first_2), "r"(second_2));
            __builtin_memcpy(to + 2 * plane, &pair, sizeof pair);
            __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(second_2), "r"(first_2));
            __builtin_memcpy(to + 3 * plane, &pair, sizeof pair);
        }
    }
#endif
    for (; width > 0; width--, x += step, to++) {
        for (int32_t k = 0; k < channels; k++) {
            to[k * plane] = x[k];
        }
    }
}

/* of output channel `channel`, whose outputs are `bytes` large */
static inline tl_depthwise_channel_t tl_depthwise_channel(const tl_depthwise_rows_t *layer, int32_t channel,
                                                          int32_t bytes)
{
    const int32_t scale = layer->per_channel ? channel : 0;
    tl_depthwise_channel_t own;
    own.bias = layer->bias[channel];
    own.multiplier = layer->multiplier[scale];
    own.shift = bytes == 1 ? layer->shift[scale] : 0;
    own.zero = layer->zero;
    own.step = layer->out_pixel * bytes;
    own.weights = layer->weights + channel * layer->shape.kernel_height * layer->shape.kernel_width;
    return own;
}

/* ring[4 * rows * pitch + 8] */
TL_INLINE void tl_depthwise_rows(const tl_depthwise_rows_t *layer, const void *x, int16_t *ring, uint8_t *y,
                                 int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t rows = 3, pitch = layer->pitch, plane = rows * pitch, bytes = wide ? 2 : 1;
    const int32_t outside = wide ? 0 : layer->input_zero + TL_RAISE;
    tl_fill_row(ring, 0, outside, 1, 4 * plane); /* what lies beside the image stays */
    for (int32_t channel = 0; channel < s->channels; channel += 4) {
        const int32_t channels = s->channels - channel < 4 ? s->channels - channel : 4;
        tl_depthwise_channel_t own[4];
        for (int32_t k = 0; k < channels; k++) {
            own[k] = tl_depthwise_channel(layer, channel + k, bytes);
            tl_depthwise_prepare(&own[k], wide);
        }
        int32_t next = -s->pad_height, slot = 0; /* the image's row to be read next, and its row in the ring */
        uint8_t *out = y + channel * bytes;
        for (int32_t row = 0, top = -s->pad_height; row < s->out_height; row++, top += s->stride_height) {
            next = next < top ? top : next;
            for (; next < top + rows; next++) {
                int16_t *const to = ring + slot * pitch + s->pad_width;
                const int32_t from = next * layer->row + channel;
                if (next < 0 || next >= s->height) {
                    tl_fill_row(to, plane, outside, channels, s->width);
                } else if (wide) {
                    tl_spread_row(to, plane, (const int16_t *)x + from, layer->pixel, channels, s->width);
                } else {
                    tl_widen_row(to, plane, (const int8_t *)x + from, layer->pixel, channels, s->width);
                }
                slot = slot + 1 == rows ? 0 : slot + 1;
            }
            /* the ring is full: its oldest row is the one to be overwritten next */
            const int16_t *const first = ring + slot * pitch;
            const int16_t *const second = ring + (slot + 1 == 3 ? 0 : slot + 1) * pitch;
            const int16_t *const third = ring + (slot == 0 ? 2 : slot - 1) * pitch;
            if (wide) {
                tl_depthwise_row3_s16(first, second, third, own, channels, plane, s->out_width, s->stride_width == 2,
                                      out);
            } else {
                tl_depthwise_row3(first, second, third, own, channels, plane, s->out_width, s->stride_width == 2, out);
            }
            out += layer->out_row * bytes;
        }
    }
}

TL_SHARED void tl_depthwise_rows_s8(const tl_depthwise_rows_t *layer, const int8_t *x, int16_t *ring, int8_t *y)
{
    const tl_conv_shape_t *const s = &layer->shape;
    tl_depthwise_rows(layer, x, ring, (uint8_t *)y, 0);
    tl_limits_s8(y, s->out_height * s->out_width * s->out_channels, layer->low, layer->high);
}

TL_SHARED void tl_depthwise_rows_s16(const tl_depthwise_rows_t *layer, const int16_t *x, int16_t *ring, int16_t *y)
{
    const tl_conv_shape_t *const s = &layer->shape;
    tl_depthwise_rows(layer, x, ring, (uint8_t *)y, 1);
    tl_limits_s16(y, s->out_height * s->out_width * s->out_channels, layer->low, layer->high);
}

#endif
