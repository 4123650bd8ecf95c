/* DEPTHWISE_CONV_2D with any filter, stride and dilation: four channels of one output at a time, tap by tap.
 *
 * codegen/kernel_forms/depthwise_taps.py packs the weights: of each four channels, tap by tap, four bytes, in the order
 * that SXTB16 makes pairs of: as they are for int8, the middle two exchanged for int16 ("wide"). The last four channels
 * may overlap those before them, so that a number of channels that four does not divide needs no other code; an image
 * of fewer than four channels takes them one by one. Taps beyond the border see the zero point: `outside`, over and
 * over.
 */
#ifndef TL_DEPTHWISE_TAPS_H
#define TL_DEPTHWISE_TAPS_H

#include "tl_blocks.h"
#include "tl_depthwise.h"

typedef struct {
    const int8_t *weights; /* [filter of a channel][four channels][row][column][4] */
    const int32_t *bias;   /* of int8 with the input zero point folded in; this to `shift` as in tl_block_t */
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t row, pixel; /* values from row to row and from pixel to pixel of the image */
    int32_t out_row, out_pixel;
    tl_conv_shape_t shape; /* rows and columns may have changed places: a row of taps is the longer one */
    uint16_t per_channel;  /* this and what follows as in tl_block_t */
    int16_t zero, low, high, input_zero;
} tl_depthwise_taps_t;

/* sums of four channels */
typedef struct {
    int32_t s0, s1, s2, s3;
} tl_tap_sums_t;

#if TL_DSP
#define TL_TAP_S8                                                                                                      \
    "ldr %[u], [%[x]]\n\t"                                                                                             \
    "ldr %[v], [%[w]], #4\n\t"                                                                                         \
    "sxtb16 %[a], %[u]\n\t"                                                                                            \
    "sxtb16 %[b], %[v]\n\t"                                                                                            \
    "smlabb %[s0], %[a], %[b], %[s0]\n\t"                                                                              \
    "smlatt %[s2], %[a], %[b], %[s2]\n\t"                                                                              \
    "sxtb16 %[a], %[u], ror #8\n\t"                                                                                    \
    "sxtb16 %[b], %[v], ror #8\n\t"                                                                                    \
    "smlabb %[s1], %[a], %[b], %[s1]\n\t"                                                                              \
    "smlatt %[s3], %[a], %[b], %[s3]\n\t"                                                                              \
    "add %[x], %[x], %[step]\n\t"
#define TL_TAP_S16                                                                                                     \
    "ldr %[u], [%[x]]\n\t"                                                                                             \
    "ldr %[a], [%[x], #4]\n\t"                                                                                         \
    "ldr %[v], [%[w]], #4\n\t"                                                                                         \
    "sxtb16 %[b], %[v]\n\t"                                                                                            \
    "sxtb16 %[v], %[v], ror #8\n\t"                                                                                    \
    "smlabb %[s0], %[u], %[b], %[s0]\n\t"                                                                              \
    "smlatt %[s1], %[u], %[b], %[s1]\n\t"                                                                              \
    "smlabb %[s2], %[a], %[v], %[s2]\n\t"                                                                              \
    "smlatt %[s3], %[a], %[v], %[s3]\n\t"                                                                              \
    "add %[x], %[x], %[step]\n\t"
#define TL_TAP_LOOP(NAME, TAP)                                                                                         \
    static inline tl_tap_sums_t NAME(tl_tap_sums_t s, const void *x, int32_t step, const int8_t *w, int32_t count)     \
    {                                                                                                                  \
        uint32_t u, v, a, b;                                                                                           \
        __asm__("lsrs %[n], %[n], #1\n\t"                                                                              \
                "bcc 1f\n\t" TAP "cmp %[n], #0\n\t"                                                                    \
                "beq 2f\n"                                                                                             \
                "1:\n\t" TAP TAP "subs %[n], %[n], #1\n\t"                                                             \
                "bne 1b\n"                                                                                             \
                "2:\n\t"                                                                                               \
                : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x] "+r"(x), [w] "+r"(w),        \
                  [n] "+r"(count), [u] "=&r"(u), [v] "=&r"(v), [a] "=&r"(a), [b] "=&r"(b)                              \
                : [step] "r"(step)                                                                                     \
                : "cc", "memory");                                                                                     \
        return s;                                                                                                      \
    }
TL_TAP_LOOP(tl_taps_s8, TL_TAP_S8)
TL_TAP_LOOP(tl_taps_s16, TL_TAP_S16)
#else
/* `count` taps, whose values lie `step` bytes apart */
#define TL_TAP_LOOP(NAME, ELEMENT, W1, W2)                                                                             \
    static inline tl_tap_sums_t NAME(tl_tap_sums_t s, const void *x, int32_t step, const int8_t *w, int32_t count)     \
    {                                                                                                                  \
        const uint8_t *at = x;                                                                                         \
        for (; count > 0; count--, at += step, w += 4) {                                                               \
            const ELEMENT *const v = (const void *)at;                                                                 \
            s.s0 = tl_wrapping_add(s.s0, (uint32_t)(v[0] * w[0]));                                                     \
            s.s1 = tl_wrapping_add(s.s1, (uint32_t)(v[1] * w[W1]));                                                    \
            s.s2 = tl_wrapping_add(s.s2, (uint32_t)(v[2] * w[W2]));                                                    \
            s.s3 = tl_wrapping_add(s.s3, (uint32_t)(v[3] * w[3]));                                                     \
        }                                                                                                              \
        return s;                                                                                                      \
    }
TL_TAP_LOOP(tl_taps_s8, int8_t, 1, 2)
TL_TAP_LOOP(tl_taps_s16, int16_t, 2, 1)
#endif

/* which of a filter's taps along one axis lie inside the image: from `first` to before `last` */
typedef struct {
    int32_t first, last;
} tl_taps_inside_t;

static inline tl_taps_inside_t tl_taps_inside(int32_t from, int32_t taps, int32_t dilation, int32_t size)
{
    tl_taps_inside_t inside = {0, taps};
    while (inside.first < taps && from + inside.first * dilation < 0) {
        inside.first++;
    }
    while (inside.last > inside.first && from + (inside.last - 1) * dilation >= size) {
        inside.last--;
    }
    return inside;
}

/* sums of one channel of an image that has fewer than four, whose weight is at w[0] of each four */
TL_INLINE int32_t tl_taps_single(int32_t sum, const uint8_t *x, int32_t step, const int8_t *w, int32_t count,
                                 int32_t wide)
{
    for (; count > 0; count--, x += step, w += 4) {
        int16_t value = *(const int8_t *)x;
        if (wide) {
            __builtin_memcpy(&value, x, sizeof value);
        }
        sum = tl_wrapping_add(sum, (uint32_t)(value * *w));
    }
    return sum;
}

/* `count` taps from w on for four channels, or the first `lanes` */
TL_INLINE tl_tap_sums_t tl_taps_some(tl_tap_sums_t s, const uint8_t *x, int32_t step, const int8_t *w, int32_t count,
                                     int32_t lanes, int32_t wide)
{
    const int32_t bytes = wide ? 2 : 1;
    if (lanes == 4) {
        return count == 0 ? s : wide ? tl_taps_s16(s, x, step, w, count) : tl_taps_s8(s, x, step, w, count);
    }
    s.s0 = tl_taps_single(s.s0, x, step, w, count, wide);
    if (lanes > 1) {
        s.s1 = tl_taps_single(s.s1, x + bytes, step, w + bytes, count, wide);
    }
    if (lanes > 2) {
        s.s2 = tl_taps_single(s.s2, x + 2 * bytes, step, w + (wide ? 1 : 2), count, wide);
    }
    return s;
}

/* where the window of an output lies: its first tap inside the image, and which rows and taps of a row are inside */
typedef struct {
    const uint8_t *start;
    tl_taps_inside_t rows, columns;
    int32_t step, line; /* bytes from tap to tap and from row to row */
} tl_taps_window_t;

/* sums of four channels from `t` on, of a window that reaches beyond the image; x: of the first tap inside */
TL_INLINE tl_tap_sums_t tl_taps_border(tl_tap_sums_t t, const tl_conv_shape_t *s, const tl_taps_window_t *at,
                                       const uint8_t *x, const uint8_t *outside, const int8_t *w, int32_t lanes,
                                       int32_t wide)
{
    const int32_t taps = s->kernel_width, first = at->columns.first, last = at->columns.last;
    for (int32_t i = 0; i < s->kernel_height; i++, w += 4 * taps) {
        if (i < at->rows.first || i >= at->rows.last) {
            t = tl_taps_some(t, outside, 0, w, taps, lanes, wide);
        } else {
            t = tl_taps_some(t, outside, 0, w, first, lanes, wide);
            t = tl_taps_some(t, x, at->step, w + 4 * first, last - first, lanes, wide);
            t = tl_taps_some(t, outside, 0, w + 4 * last, taps - last, lanes, wide);
            x += at->line;
        }
    }
    return t;
}

TL_SHARED tl_tap_sums_t tl_taps_border_s8(tl_tap_sums_t t, const tl_conv_shape_t *s, const tl_taps_window_t *at,
                                          const uint8_t *x, const uint8_t *outside, const int8_t *w, int32_t lanes)
{
    return tl_taps_border(t, s, at, x, outside, w, lanes, 0);
}

TL_SHARED tl_tap_sums_t tl_taps_border_s16(tl_tap_sums_t t, const tl_conv_shape_t *s, const tl_taps_window_t *at,
                                           const uint8_t *x, const uint8_t *outside, const int8_t *w, int32_t lanes)
{
    return tl_taps_border(t, s, at, x, outside, w, lanes, 1);
}

/* All channels of one output, of one filter a channel; `inside`: the window is, and there are four channels or more */
TL_INLINE void tl_taps_output(const tl_depthwise_taps_t *layer, const tl_taps_window_t *at, const uint8_t *outside,
                              int32_t filter, int32_t inside, const int8_t *w, uint8_t *y, int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t bytes = wide ? 2 : 1, channels = s->channels, filters = s->out_channels / channels;
    const int32_t lanes = channels < 4 ? channels : 4, each = layer->per_channel ? filters : 0, zero = layer->zero;
    const int32_t taps = s->kernel_width, height = s->kernel_height, step = at->step, line = at->line;
    for (int32_t next = 0; next < channels; next += 4, w += 4 * taps * height) {
        const int32_t channel = next + lanes > channels ? channels - lanes : next;
        const int32_t to = channel * filters + filter, scale = each == 0 ? 0 : to;
        const int32_t *const bias = layer->bias + to, *const m = layer->multiplier + scale;
        const int8_t *const shift = wide ? NULL : layer->shift + scale;
        const uint8_t *x = at->start + channel * bytes;
        tl_tap_sums_t t = {bias[0], 0, 0, 0};
        if (inside) {
            t.s1 = bias[filters];
            t.s2 = bias[2 * filters];
            t.s3 = bias[3 * filters];
            const int8_t *own = w;
            for (int32_t i = height; i > 0; i--, own += 4 * taps, x += line) {
                t = wide ? tl_taps_s16(t, x, step, own, taps) : tl_taps_s8(t, x, step, own, taps);
            }
        } else {
            t.s1 = lanes > 1 ? bias[filters] : 0;
            t.s2 = lanes > 2 ? bias[2 * filters] : 0;
            t.s3 = lanes > 3 ? bias[3 * filters] : 0;
            t = wide ? tl_taps_border_s16(t, s, at, x, outside, w, lanes)
                     : tl_taps_border_s8(t, s, at, x, outside, w, lanes);
        }
        uint8_t *const out = y + to * bytes;
        tl_put_output(out, t.s0, m[0], wide ? 0 : shift[0], zero, wide);
        if (inside || lanes > 1) {
            tl_put_output(out + filters * bytes, t.s1, m[each], wide ? 0 : shift[each], zero, wide);
        }
        if (inside || lanes > 2) {
            tl_put_output(out + 2 * filters * bytes, t.s2, m[2 * each], wide ? 0 : shift[2 * each], zero, wide);
        }
        if (inside || lanes > 3) {
            tl_put_output(out + 3 * filters * bytes, t.s3, m[3 * each], wide ? 0 : shift[3 * each], zero, wide);
        }
    }
}

TL_INLINE void tl_depthwise_taps(const tl_depthwise_taps_t *layer, const void *image, uint8_t *y, int32_t wide)
{
    const tl_conv_shape_t *const s = &layer->shape;
    const int32_t bytes = wide ? 2 : 1, filters = s->out_channels / s->channels, taps = s->kernel_width;
    const int32_t each = (s->channels + 3) / 4 * s->kernel_height * taps * 4;
    uint8_t outside[8];
    tl_taps_window_t at;
    at.step = s->dilation_width * layer->pixel * bytes;
    at.line = s->dilation_height * layer->row * bytes;
    for (int32_t i = 0; i < 8; i++) {
        outside[i] = wide ? 0 : (uint8_t)layer->input_zero;
    }
    for (int32_t row = 0; row < s->out_height; row++) {
        const int32_t top = row * s->stride_height - s->pad_height;
        at.rows = tl_taps_inside(top, s->kernel_height, s->dilation_height, s->height);
        for (int32_t column = 0; column < s->out_width; column++) {
            const int32_t left = column * s->stride_width - s->pad_width;
            at.columns = tl_taps_inside(left, taps, s->dilation_width, s->width);
            at.start = (const uint8_t *)image +
                       ((top + at.rows.first * s->dilation_height) * layer->row + left * layer->pixel) * bytes +
                       at.columns.first * at.step;
            const int32_t inside = at.rows.last - at.rows.first == s->kernel_height &&
                                   at.columns.last - at.columns.first == taps && s->channels > 3;
            uint8_t *const out = y + (row * layer->out_row + column * layer->out_pixel) * bytes;
            const int8_t *w = layer->weights;
            for (int32_t filter = 0; filter < filters; filter++, w += each) {
                if (inside) {
                    tl_taps_output(layer, &at, outside, filter, 1, w, out, wide);
                } else {
                    tl_taps_output(layer, &at, outside, filter, 0, w, out, wide);
                }
            }
        }
    }
}

TL_SHARED void tl_depthwise_taps_s8(const tl_depthwise_taps_t *layer, const int8_t *x, int8_t *y)
{
    tl_depthwise_taps(layer, x, (uint8_t *)y, 0);
    tl_limits_s8(y, layer->shape.out_height * layer->shape.out_width * layer->shape.out_channels, layer->low,
                 layer->high);
}

TL_SHARED void tl_depthwise_taps_s16(const tl_depthwise_taps_t *layer, const int16_t *x, int16_t *y)
{
    tl_depthwise_taps(layer, x, (uint8_t *)y, 1);
    tl_limits_s16(y, layer->shape.out_height * layer->shape.out_width * layer->shape.out_channels, layer->low,
                  layer->high);
}

#endif
