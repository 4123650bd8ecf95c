/* FULLY_CONNECTED on int8 with weights of four bits, two a byte; packed by codegen/kernel_forms/nibbles.py. */
#ifndef TL_NIBBLES_H
#define TL_NIBBLES_H

#include "tl_fully_connected.h"

typedef struct {
    const int8_t *weights;
    const int32_t *bias; /* input zero point folded in */
    int32_t depth, channels;
} tl_nibbles_t;

/* sum + x[0..3] . lower halves + x[4..7] . upper halves of four bytes, times 2^TL_NIBBLE_SHIFT */
#if TL_DSP
#define TL_NIBBLE_SHIFT 4
#define TL_IN_ORDER() __asm__ volatile("" ::: "memory") /* GCC would load all four rows first, and spill */

typedef struct {
    uint32_t even0, odd0, even1, odd1; /* inputs (0, 2), (1, 3), (4, 6), (5, 7) */
} tl_eight_t;

static inline tl_eight_t tl_eight(const int8_t *x)
{
    const uint32_t first = tl_load4(x), second = tl_load4(x + 4);
    return (tl_eight_t){tl_sxtb16(first), tl_sxtb16_ror8(first), tl_sxtb16(second), tl_sxtb16_ror8(second)};
}

static inline int32_t tl_dot_nibbles(int32_t sum, const int8_t *w, tl_eight_t x)
{
    const uint32_t word = tl_load4(w), high = word & 0xF0F0F0F0u;
    sum = tl_smlad(tl_sxtb16(high), x.even1, sum);
    sum = tl_smlad(tl_sxtb16_ror8(high), x.odd1, sum);
    const uint32_t low = word << 4 & 0xF0F0F0F0u;
    sum = tl_smlad(tl_sxtb16(low), x.even0, sum);
    return tl_smlad(tl_sxtb16_ror8(low), x.odd0, sum);
}
#else
#define TL_NIBBLE_SHIFT 0
#define TL_IN_ORDER() ((void)0)

typedef const int8_t *tl_eight_t;

static inline tl_eight_t tl_eight(const int8_t *x)
{
    return x;
}

/* four bits from `bit` on, with their sign: one SBFX */
static inline int32_t tl_nibble(uint32_t word, int32_t bit)
{
    return (int32_t)(word << (28 - bit)) >> 28;
}

static inline int32_t tl_dot_nibbles(int32_t sum, const int8_t *w, tl_eight_t x)
{
    const uint32_t word = tl_load4(w);
    sum += x[0] * tl_nibble(word, 0) + x[4] * tl_nibble(word, 4);
    sum += x[1] * tl_nibble(word, 8) + x[5] * tl_nibble(word, 12);
    sum += x[2] * tl_nibble(word, 16) + x[6] * tl_nibble(word, 20);
    return sum + x[3] * tl_nibble(word, 24) + x[7] * tl_nibble(word, 28);
}
#endif

static inline tl_sums_t tl_dot4_nibbles(tl_sums_t sum, const int8_t *w, const int8_t *x)
{
    const tl_eight_t eight = tl_eight(x);
    sum.row0 = tl_dot_nibbles(sum.row0, w, eight);
    TL_IN_ORDER();
    sum.row1 = tl_dot_nibbles(sum.row1, w + 4, eight);
    TL_IN_ORDER();
    sum.row2 = tl_dot_nibbles(sum.row2, w + 8, eight);
    TL_IN_ORDER();
    sum.row3 = tl_dot_nibbles(sum.row3, w + 12, eight);
    return sum;
}

TL_SHARED void tl_fully_connected_nibbles_s8(const int8_t *x, const tl_nibbles_t *l, const tl_scaling_t *scaling,
                                             int8_t *y)
{
    const int8_t *w = l->weights;
    const int32_t rest = l->depth % 8;
    const int8_t *const end = x + l->depth - rest;
    int8_t last[8] = {0}; /* the inputs that fill no word, zeros behind them */
    TL_MEMCPY(last, end, (size_t)rest);
    for (int32_t channel = 0; channel < l->channels; channel += 4) {
        tl_sums_t sum = {0, 0, 0, 0};
        for (const int8_t *at = x; at != end; at += 8, w += 16) {
            sum = tl_dot4_nibbles(sum, w, at);
        }
        if (rest > 0) {
            sum = tl_dot4_nibbles(sum, w, last);
            w += 16;
        }
        const int32_t sums[4] = {sum.row0, sum.row1, sum.row2, sum.row3};
        for (int32_t i = 0; i < 4 && channel + i < l->channels; i++) {
            const int32_t total = (sums[i] >> TL_NIBBLE_SHIFT) + l->bias[channel + i];
            y[channel + i] = (int8_t)tl_fc_output(total, channel + i, scaling);
        }
    }
}

#endif
