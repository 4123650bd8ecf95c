/* DEPTHWISE_CONV_2D with any filter, stride and dilation, by the ring of tl_depthwise_rows.h: for lines of several
 * outputs. Where taps are d columns apart, a line of the ring holds every d-th column of the image one after the other,
 * so that taps are neighbours; outputs are then made in `phases`, one after the other.
 */
#ifndef TL_DEPTHWISE_LINES_H
#define TL_DEPTHWISE_LINES_H

#include "tl_depthwise_rows.h"
#include "tl_line_sums.h"

/* writes `count` of four outputs, `step` bytes apart */
TL_INLINE void tl_line_outputs(uint8_t *y, tl_row_sums_t s, const tl_depthwise_channel_t *c, int32_t step,
                               int32_t count, int32_t wide)
{
    const int32_t multiplier = c->multiplier, shift = c->shift, zero = c->zero;
    tl_put_output(y, s.s0, multiplier, shift, zero, wide);
    if (count > 1) {
        tl_put_output(y + step, s.s1, multiplier, shift, zero, wide);
    }
    if (count > 2) {
        tl_put_output(y + 2 * step, s.s2, multiplier, shift, zero, wide);
    }
    if (count > 3) {
        tl_put_output(y + 3 * step, s.s3, multiplier, shift, zero, wide);
    }
}

/* four outputs of one channel from column `at` of the ring on; `top` is the ring's row that the filter's first sees */
TL_INLINE tl_row_sums_t tl_line_sums(const tl_depthwise_rows_t *layer, const int16_t *ring, int32_t top, int32_t at,
                                     int32_t apart, const tl_depthwise_channel_t *c, const uint32_t *words,
                                     int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t taps = s->kernel_width;
    const int16_t *x = ring + top * layer->pitch + at;
    const int16_t *const end = ring + layer->rows * layer->pitch;
    tl_row_sums_t t = {c->bias, c->bias, c->bias, c->bias};
#if TL_DSP
    (void)wide;
    for (int32_t i = s->kernel_height; i > 0; i--, words += tl_line_words(taps)) {
        t = tl_line_four(t, x, words, taps, apart);
#else
    const int8_t *w = c->weights;
    const int32_t lanes = !wide && apart == 1;
    (void)words;
    if (lanes) {
        t = tl_depthwise_start(c);
    }
    for (int32_t i = s->kernel_height; i > 0; i--, w += taps) {
        t = lanes ? tl_line_lanes(t, x, w, taps) : tl_line_four(t, x, w, taps, apart);
#endif
        x += s->dilation_height * layer->pitch;
        x -= x >= end ? layer->rows * layer->pitch : 0;
    }
#if !TL_DSP
    if (lanes) {
        t = tl_depthwise_end(t);
    }
#endif
    return t;
}

/* one output row of one channel; words[]: room for its taps in pairs */
TL_INLINE void tl_depthwise_line(const tl_depthwise_rows_t *layer, const int16_t *ring, int32_t top,
                                 tl_depthwise_channel_t *c, uint32_t *words, uint8_t *y, int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t phases = layer->phases, dilation = s->dilation_width, step = c->step * phases;
    const int32_t apart = phases == 1 && dilation == 1 ? s->stride_width : s->stride_width * phases / dilation;
#if TL_DSP
    uint32_t *to = words;
    for (int32_t i = 0; i < s->kernel_height; i++, to += tl_line_words(s->kernel_width)) {
        tl_line_prepare(to, c->weights + i * s->kernel_width, s->kernel_width);
    }
#else
    c->upper = c->bias;
    for (int32_t i = 0; i < s->kernel_height * s->kernel_width; i++) {
        c->upper += c->weights[i] < 0;
    }
#endif
    for (int32_t phase = 0; phase < phases; phase++) {
        const int32_t first = phase * s->stride_width;
        int32_t at = dilation == 1 ? first : first % dilation * (layer->pitch / dilation) + first / dilation;
        uint8_t *out = y + phase * c->step;
        for (int32_t left = s->out_width - phase; left > 0; left -= 4 * phases, at += 4 * apart, out += 4 * step) {
            const int32_t count = phases == 1 ? left : (left + phases - 1) / phases;
            tl_line_outputs(out, tl_line_sums(layer, ring, top, at, apart, c, words, wide), c, step, count, wide);
        }
    }
}

/* one row of the image into one row of each channel's plane, every d-th column together */
TL_INLINE void tl_ring_row(const tl_depthwise_rows_t *layer, int16_t *to, int32_t plane, const void *x, int32_t from,
                           int32_t channels, int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t dilation = s->dilation_width, lane = dilation == 1 ? 0 : layer->pitch / dilation;
    for (int32_t phase = 0; phase < dilation && phase < s->width; phase++) {
        const int32_t column = phase + s->pad_width;
        int16_t *const own = to + (dilation == 1 ? column : column % dilation * lane + column / dilation);
        const int32_t count = dilation == 1 ? s->width : (s->width - phase + dilation - 1) / dilation;
        const int32_t begin = from + phase * layer->pixel;
        if (wide) {
            tl_spread_row(own, plane, (const int16_t *)x + begin, layer->pixel * dilation, channels, count);
        } else {
            tl_widen_row(own, plane, (const int8_t *)x + begin, layer->pixel * dilation, channels, count);
        }
    }
}

/* scratch: ring[4 * rows * pitch], then what the last four windows read beyond it, then words for the taps */
TL_INLINE void tl_depthwise_lines(const tl_depthwise_rows_t *layer, const void *x, int16_t *ring, uint8_t *y,
                                  int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t rows = layer->rows, pitch = layer->pitch, plane = rows * pitch, bytes = wide ? 2 : 1;
    const int32_t outside = wide ? 0 : layer->input_zero + TL_RAISE, filters = s->out_channels / s->channels;
    uint32_t *const words = (uint32_t *)(void *)(ring + 4 * plane + layer->beyond);
    tl_fill_row(ring, 0, outside, 1, 4 * plane + layer->beyond); /* what lies beside the image stays */
    for (int32_t channel = 0; channel < s->channels; channel += 4) {
        const int32_t channels = s->channels - channel < 4 ? s->channels - channel : 4;
        int32_t next = -s->pad_height, slot = 0; /* the image's row to be read next, and its row in the ring */
        uint8_t *out = y + channel * filters * bytes;
        for (int32_t row = 0, top = -s->pad_height; row < s->out_height; row++, top += s->stride_height) {
            next = next < top ? top : next;
            for (; next < top + rows; next++) {
                int16_t *const to = ring + slot * pitch;
                if (next < 0 || next >= s->height) {
                    tl_fill_row(to, plane, outside, channels, pitch);
                } else {
                    tl_ring_row(layer, to, plane, x, next * layer->row + channel, channels, wide);
                }
                slot = slot + 1 == rows ? 0 : slot + 1;
            }
            for (int32_t k = 0; k < channels * filters; k++) {
                tl_depthwise_channel_t own = tl_depthwise_channel(layer, channel * filters + k, bytes);
                tl_depthwise_line(layer, ring + k / filters * plane, slot, &own, words, out + k * bytes, wide);
            }
            out += layer->out_row * bytes;
        }
    }
}

TL_SHARED void tl_depthwise_lines_s8(const tl_depthwise_rows_t *layer, const int8_t *x, int16_t *ring, int8_t *y)
{
    const tl_conv_shape_t *const s = &layer->shape;
    tl_depthwise_lines(layer, x, ring, (uint8_t *)y, 0);
    tl_limits_s8(y, s->out_height * s->out_width * s->out_channels, layer->low, layer->high);
}

TL_SHARED void tl_depthwise_lines_s16(const tl_depthwise_rows_t *layer, const int16_t *x, int16_t *ring, int16_t *y)
{
    const tl_conv_shape_t *const s = &layer->shape;
    tl_depthwise_lines(layer, x, ring, (uint8_t *)y, 1);
    tl_limits_s16(y, s->out_height * s->out_width * s->out_channels, layer->low, layer->high);
}

#endif
