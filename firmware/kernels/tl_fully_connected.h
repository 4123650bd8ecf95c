/* FULLY_CONNECTED. Weights are packed by codegen/operators/packing.py: four rows together, a word of each in turn.
 *
 * Four rows share each load of the input. On the Cortex-M4 a word of weights is split by SXTB16 into two pairs for SMLAD:
 * 4 loads + 8 SXTB16 + 8 SMLAD for 16 products, and 1 load + 2 SXTB16 (int8) or 2 loads (int16) of input.
 */
#ifndef TL_FULLY_CONNECTED_H
#define TL_FULLY_CONNECTED_H

#include <stddef.h>

#include "tl_fixed.h"

/* How sums become outputs, see codegen/operators/requantise.py. Arrays have an entry a channel, or one for all. */
typedef enum {
    TL_SHORT, /* tl_requantise */
    TL_BYTE,  /* the same, with the bounds of int8 */
    TL_LONG,  /* tl_requantise_long */
    TL_ANY    /* tl_requantise_any */
} tl_scaling_kind_t;

/* One copy in the image, called by every layer of its kind: a layer spends its time inside. */
#define TL_SHARED static __attribute__((noinline, unused))

/* sums may wrap on their way */
static inline int32_t tl_wrapping_add(int32_t a, uint32_t b)
{
    return (int32_t)((uint32_t)a + b);
}

typedef struct {
    tl_scaling_kind_t kind;
    const int32_t *multiplier;
    const int32_t *multiplier_low; /* TL_LONG */
    const int8_t *shift;
    int32_t per_channel, zero_point, low, high;
} tl_scaling_t;

TL_SHARED int32_t tl_fc_output(int32_t sum, int32_t channel, const tl_scaling_t *s)
{
    const int32_t i = s->per_channel ? channel : 0;
    const int32_t multiplier = s->multiplier[i], shift = s->shift[i];
    const int32_t scaled = s->kind <= TL_BYTE   ? tl_requantise(sum, multiplier, shift)
                           : s->kind == TL_LONG ? tl_requantise_long(sum, multiplier, s->multiplier_low[i], shift)
                                                : tl_requantise_any(sum, multiplier, shift);
    return tl_clamp(scaled + s->zero_point, s->low, s->high);
}

/* outputs of `count` channels from `channel` on; sums: theirs, without the bias */
TL_SHARED void tl_fc_outputs_s8(const int32_t *sums, const int32_t *bias, int32_t channel, int32_t count,
                                const tl_scaling_t *s, int8_t *y)
{
    y += channel;
    bias += channel;
    if (s->kind != TL_BYTE) {
        for (int32_t i = 0; i < count; i++) {
            y[i] = (int8_t)tl_fc_output(tl_wrapping_add(sums[i], (uint32_t)bias[i]), channel + i, s);
        }
        return;
    }
    const int32_t step = s->per_channel, moved = 2 * s->zero_point + 1;
    const int32_t *multiplier = s->multiplier + step * channel;
    const int8_t *shift = s->shift + step * channel;
    for (const int8_t *const end = y + count; y != end; multiplier += step, shift += step) {
        int32_t sum, start, factor, down;
#if defined(__thumb2__) && !defined(TL_PORTABLE) /* loads side by side take a cycle each; GCC would spread them */
        __asm__("ldr %[sum], [%[sums]], #4\n\tldr %[start], [%[bias]], #4\n\tldr %[factor], [%[multiplier]]\n\t"
                "ldrsb %[down], [%[shift]]"
                : [sum] "=&r"(sum), [start] "=&r"(start), [factor] "=&r"(factor), [down] "=&r"(down),
                  [sums] "+r"(sums), [bias] "+r"(bias)
                : [multiplier] "r"(multiplier), [shift] "r"(shift)
                : "memory");
#else
        sum = *sums++, start = *bias++, factor = *multiplier, down = *shift;
#endif
        sum = tl_wrapping_add(sum, (uint32_t)start);
        *y++ = (int8_t)tl_sat8_half((((int32_t)(((int64_t)sum * factor) >> 32)) >> down) + moved);
    }
}

/* Four sums as scalars: GCC keeps an array of them in memory. */
typedef struct {
    int32_t row0, row1, row2, row3;
} tl_sums_t;

/* row r += x[0..3] . w[4 * r .. 4 * r + 3] */
#if TL_DSP
static inline int32_t tl_dot_word(int32_t sum, uint32_t weights, uint32_t first, uint32_t second)
{
    sum = tl_smlad(tl_sxtb16(weights), first, sum);
    return tl_smlad(tl_sxtb16_ror8(weights), second, sum);
}

static inline tl_sums_t tl_dot4_words(tl_sums_t sum, const int8_t *w, uint32_t first, uint32_t second)
{
    sum.row0 = tl_dot_word(sum.row0, tl_load4(w), first, second);
    sum.row1 = tl_dot_word(sum.row1, tl_load4(w + 4), first, second);
    sum.row2 = tl_dot_word(sum.row2, tl_load4(w + 8), first, second);
    sum.row3 = tl_dot_word(sum.row3, tl_load4(w + 12), first, second);
    return sum;
}

static inline tl_sums_t tl_dot4_s8(tl_sums_t sum, const int8_t *x, const int8_t *w)
{
    const uint32_t word = tl_load4(x);
    return tl_dot4_words(sum, w, tl_sxtb16(word), tl_sxtb16_ror8(word));
}

static inline tl_sums_t tl_dot4_s16(tl_sums_t sum, const int16_t *x, const int8_t *w)
{
    return tl_dot4_words(sum, w, tl_load4(x), tl_load4(x + 2));
}
#else
static inline int32_t tl_dot_bytes(int32_t sum, const int8_t *w, int32_t x0, int32_t x1, int32_t x2, int32_t x3)
{
    return sum + x0 * w[0] + x1 * w[1] + x2 * w[2] + x3 * w[3];
}

static inline tl_sums_t tl_dot4_s8(tl_sums_t sum, const int8_t *x, const int8_t *w)
{
    const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    sum.row0 = tl_dot_bytes(sum.row0, w, x0, x1, x2, x3);
    sum.row1 = tl_dot_bytes(sum.row1, w + 4, x0, x1, x2, x3);
    sum.row2 = tl_dot_bytes(sum.row2, w + 8, x0, x1, x2, x3);
    sum.row3 = tl_dot_bytes(sum.row3, w + 12, x0, x1, x2, x3);
    return sum;
}

/* the middle bytes of a word of weights are swapped, see packing.py */
static inline tl_sums_t tl_dot4_s16(tl_sums_t sum, const int16_t *x, const int8_t *w)
{
    const int32_t x0 = x[0], x1 = x[2], x2 = x[1], x3 = x[3];
    sum.row0 = tl_dot_bytes(sum.row0, w, x0, x1, x2, x3);
    sum.row1 = tl_dot_bytes(sum.row1, w + 4, x0, x1, x2, x3);
    sum.row2 = tl_dot_bytes(sum.row2, w + 8, x0, x1, x2, x3);
    sum.row3 = tl_dot_bytes(sum.row3, w + 12, x0, x1, x2, x3);
    return sum;
}
#endif

#define TL_FULLY_CONNECTED(NAME, ELEMENT, DOT4)                                                                        \
    TL_SHARED void NAME(const ELEMENT *x, const int8_t *w, const int32_t *bias, const tl_scaling_t *scaling,        \
                            int32_t depth, int32_t channels, ELEMENT *y)                                               \
    {                                                                                                                  \
        const tl_scaling_t s = *scaling; /* a store to y may not make GCC read it again */                             \
        const int32_t words = depth / 4, rest = depth % 4;                                                             \
        int32_t channel = 0;                                                                                           \
        for (; channel + 4 <= channels; channel += 4) {                                                                \
            tl_sums_t sum = {bias[channel], bias[channel + 1], bias[channel + 2], bias[channel + 3]};                  \
            const ELEMENT *at = x;                                                                                     \
            for (int32_t k = words; k > 0; k--) {                                                                      \
                sum = DOT4(sum, at, w);                                                                                \
                at += 4;                                                                                               \
                w += 16;                                                                                               \
            }                                                                                                          \
            for (int32_t k = rest; k > 0; k--) {                                                                       \
                const int32_t value = *at++;                                                                           \
                sum.row0 += value * w[0];                                                                              \
                sum.row1 += value * w[1];                                                                              \
                sum.row2 += value * w[2];                                                                              \
                sum.row3 += value * w[3];                                                                              \
                w += 4;                                                                                                \
            }                                                                                                          \
            y[channel] = (ELEMENT)tl_fc_output(sum.row0, channel, &s);                                                 \
            y[channel + 1] = (ELEMENT)tl_fc_output(sum.row1, channel + 1, &s);                                         \
            y[channel + 2] = (ELEMENT)tl_fc_output(sum.row2, channel + 2, &s);                                         \
            y[channel + 3] = (ELEMENT)tl_fc_output(sum.row3, channel + 3, &s);                                         \
        }                                                                                                              \
        for (int32_t left = channels % 4; left > 0; left--, channel++) {                                               \
            int32_t sum = bias[channel];                                                                               \
            for (int32_t k = 0; k < depth; k++) {                                                                      \
                sum += x[k] * *w++;                                                                                    \
            }                                                                                                          \
            y[channel] = (ELEMENT)tl_fc_output(sum, channel, &s);                                                      \
        }                                                                                                              \
    }

TL_FULLY_CONNECTED(tl_fully_connected_s16, int16_t, tl_dot4_s16)

#endif
