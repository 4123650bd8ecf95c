/* What layers that sum products share: how sums become outputs, and products of a word of weights. */
#ifndef TL_FULLY_CONNECTED_H
#define TL_FULLY_CONNECTED_H

#include <stddef.h>

#include "tl_fixed.h"

/* How sums become outputs, see codegen/arithmetic/requantise.py. Arrays have an entry a channel, or one for all. */
typedef enum {
    TL_SHORT, /* tl_requantise */
    TL_BYTE,  /* the same, with the bounds of int8 */
    TL_LONG,  /* tl_requantise_long, of int16 and so without a zero point */
    TL_HALF,  /* the same, with the bounds of int16 */
    TL_ANY    /* tl_requantise_any */
} tl_scaling_kind_t;

/* sums may wrap on their way */
static inline int32_t tl_wrapping_add(int32_t a, uint32_t b)
{
    return (int32_t)((uint32_t)a + b);
}

typedef struct {
    tl_scaling_kind_t kind;
    const int32_t *multiplier;
    const int32_t *multiplier_low; /* TL_LONG, TL_HALF */
    const int8_t *shift;
    int32_t per_channel, zero_point, low, high;
} tl_scaling_t;

TL_SHARED int32_t tl_fc_output(int32_t sum, int32_t channel, const tl_scaling_t *s)
{
    const int32_t i = s->per_channel ? channel : 0;
    const int32_t multiplier = s->multiplier[i], shift = s->shift[i];
    const int32_t scaled = s->kind <= TL_BYTE   ? tl_requantise(sum, multiplier, shift)
                           : s->kind <= TL_HALF ? tl_requantise_long(sum, multiplier, s->multiplier_low[i], shift)
                                                : tl_requantise_any(sum, multiplier, shift);
    return tl_clamp(scaled + s->zero_point, s->low, s->high);
}

/* TL_BYTE; moved: 2 * zero point + 1 */
static inline int32_t tl_fc_byte(int32_t sum, int32_t factor, int32_t down, int32_t moved)
{
    return tl_sat8_half((((int32_t)(((int64_t)sum * factor) >> 32)) >> down) + moved);
}

/* Outputs of an even number of channels, up to `end`, as tl_fc_byte. Loads side by side take a cycle each; GCC would
 * spread them. */
static inline void tl_fc_bytes(const int32_t *sums, const int32_t *multiplier, const int8_t *shift, int32_t step,
                               int32_t moved, int8_t *y, const int8_t *end)
{
#if defined(__thumb2__) && TL_ALL_REGISTERS && !defined(TL_PORTABLE)
#if TL_DSP
#define TL_FC_HIGH(S, M) "smmul %[" S "], %[" S "], %[" M "]\n\t"
#else
#define TL_FC_HIGH(S, M) "smull %[" M "], %[" S "], %[" S "], %[" M "]\n\t"
#endif
    int32_t s0, s1, m0, m1, d0, d1;
    __asm__ volatile("1:\n\t"
                     "ldr %[s0], [%[sums]]\n\t"
                     "ldr %[s1], [%[sums], #4]\n\t"
                     "ldr %[m0], [%[multiplier]]\n\t"
                     "ldr %[m1], [%[multiplier], %[step], lsl #2]\n\t"
                     "ldrsb %[d0], [%[shift]]\n\t"
                     "ldrsb %[d1], [%[shift], %[step]]\n\t"
                     "add %[sums], %[sums], #8\n\t"
                     "add %[multiplier], %[multiplier], %[step], lsl #3\n\t"
                     "add %[shift], %[shift], %[step], lsl #1\n\t" TL_FC_HIGH("s0", "m0")
                         TL_FC_HIGH("s1", "m1") "asr %[s0], %[s0], %[d0]\n\t"
                                                "asr %[s1], %[s1], %[d1]\n\t"
                                                "add %[s0], %[s0], %[moved]\n\t"
                                                "add %[s1], %[s1], %[moved]\n\t"
                                                "ssat %[s0], #8, %[s0], asr #1\n\t"
                                                "ssat %[s1], #8, %[s1], asr #1\n\t"
                                                "strb %[s1], [%[y], #1]\n\t"
                                                "strb %[s0], [%[y]], #2\n\t"
                                                "cmp %[y], %[end]\n\t"
                                                "bne 1b\n\t"
                     : [s0] "=&r"(s0), [s1] "=&r"(s1), [m0] "=&r"(m0), [m1] "=&r"(m1), [d0] "=&r"(d0), [d1] "=&r"(d1),
                       [sums] "+r"(sums), [multiplier] "+r"(multiplier), [shift] "+r"(shift), [y] "+r"(y)
                     : [step] "r"(step), [moved] "r"(moved), [end] "r"(end)
                     : "cc", "memory");
#else
    for (; y != end; multiplier += step, shift += step) {
        *y++ = (int8_t)tl_fc_byte(*sums++, *multiplier, *shift, moved);
    }
#endif
}

/* Outputs of `count` channels, an even number, from `channel` on; sums: theirs, with the bias. */
TL_SHARED void tl_fc_outputs_s8(const int32_t *sums, int32_t channel, int32_t count, const tl_scaling_t *s, int8_t *y)
{
    y += channel;
    const int32_t step = s->per_channel, moved = 2 * s->zero_point + 1;
    const int32_t *multiplier = s->multiplier + step * channel;
    const int8_t *shift = s->shift + step * channel;
    const int8_t *const end = y + count;
    if (s->kind != TL_BYTE) {
        for (int32_t i = 0; i < count; i++) {
            y[i] = (int8_t)tl_fc_output(sums[i], channel + i, s);
        }
    } else {
        tl_fc_bytes(sums, multiplier, shift, step, moved, y, end);
    }
}

/* Four sums as scalars: GCC keeps an array of them in memory. */
typedef struct {
    int32_t row0, row1, row2, row3;
} tl_sums_t;

/* the same of four channels; y: the first one's place */
static inline void tl_fc_four_s8(tl_sums_t sum, int32_t channel, const tl_scaling_t *s, int8_t *y)
{
    const int32_t sums[4] = {sum.row0, sum.row1, sum.row2, sum.row3};
    tl_fc_outputs_s8(sums, channel, 4, s, y - channel);
}

/* TL_HALF */
static inline int32_t tl_fc_half(int32_t sum, int32_t upper, int32_t lower, int32_t down)
{
    return tl_sat16_half((tl_multiply_long(sum, upper, lower) >> down) + 1);
}

/* outputs of four channels from `channel` on, the first at y; sums: theirs, with the bias */
static inline void tl_fc_four_s16(tl_sums_t sum, int32_t channel, const tl_scaling_t *s, int16_t *y)
{
    if (s->kind == TL_HALF) {
        const int32_t step = s->per_channel, at = step * channel;
        const int32_t *const upper = s->multiplier + at, *const lower = s->multiplier_low + at;
        const int8_t *const down = s->shift + at;
        y[0] = (int16_t)tl_fc_half(sum.row0, upper[0], lower[0], down[0]);
        y[1] = (int16_t)tl_fc_half(sum.row1, upper[step], lower[step], down[step]);
        y[2] = (int16_t)tl_fc_half(sum.row2, upper[2 * step], lower[2 * step], down[2 * step]);
        y[3] = (int16_t)tl_fc_half(sum.row3, upper[3 * step], lower[3 * step], down[3 * step]);
    } else {
        y[0] = (int16_t)tl_fc_output(sum.row0, channel, s);
        y[1] = (int16_t)tl_fc_output(sum.row1, channel + 1, s);
        y[2] = (int16_t)tl_fc_output(sum.row2, channel + 2, s);
        y[3] = (int16_t)tl_fc_output(sum.row3, channel + 3, s);
    }
}

#if TL_DSP
/* sum + four bytes of weights . the inputs (0, 2) and (1, 3) */
static inline int32_t tl_dot_word(int32_t sum, uint32_t weights, uint32_t first, uint32_t second)
{
    sum = tl_smlad(tl_sxtb16(weights), first, sum);
    return tl_smlad(tl_sxtb16_ror8(weights), second, sum);
}
#endif

#endif
