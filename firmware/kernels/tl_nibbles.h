/* FULLY_CONNECTED on int8 with weights of four bits, two a byte; packed by codegen/operators/nibbles.py. */
#ifndef TL_NIBBLES_H
#define TL_NIBBLES_H

#include "tl_fully_connected.h"

typedef struct {
    const int8_t *weights;
    const int32_t *bias; /* input zero point folded in */
    int32_t depth, channels;
} tl_nibbles_t;

/* sum + 16 * (x[0..3] . low halves + x[4..7] . high halves) of four bytes */
#if TL_DSP
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
    const uint32_t word = tl_load4(w), low = word << 4 & 0xF0F0F0F0u, high = word & 0xF0F0F0F0u;
    sum = tl_smlad(tl_sxtb16(low), x.even0, sum);
    sum = tl_smlad(tl_sxtb16_ror8(low), x.odd0, sum);
    sum = tl_smlad(tl_sxtb16(high), x.even1, sum);
    return tl_smlad(tl_sxtb16_ror8(high), x.odd1, sum);
}
#else
typedef const int8_t *tl_eight_t;

static inline tl_eight_t tl_eight(const int8_t *x)
{
    return x;
}

static inline int32_t tl_dot_nibbles(int32_t sum, const int8_t *w, tl_eight_t x)
{
    for (int32_t i = 0; i < 4; i++) {
        const int32_t both = w[i], high = both & ~15;
        sum += x[i] * ((both - high) * 16 - ((both & 8) << 5)) + x[i + 4] * high;
    }
    return sum;
}
#endif

TL_SHARED void tl_fully_connected_nibbles_s8(const int8_t *x, const tl_nibbles_t *l, const tl_scaling_t *scaling,
                                             int8_t *y)
{
    const int8_t *w = l->weights;
    const int32_t rest = l->depth % 8;
    int8_t last[8] = {0}; /* the inputs that fill no word, zeros behind them */
    memcpy(last, x + l->depth - rest, (size_t)rest);
    for (int32_t channel = 0; channel < l->channels; channel += 4) {
        int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        const int8_t *at = x;
        for (int32_t left = l->depth; left > 0; left -= 8, at += 8, w += 16) {
            const tl_eight_t eight = tl_eight(left >= 8 ? at : last);
            sum0 = tl_dot_nibbles(sum0, w, eight);
            sum1 = tl_dot_nibbles(sum1, w + 4, eight);
            sum2 = tl_dot_nibbles(sum2, w + 8, eight);
            sum3 = tl_dot_nibbles(sum3, w + 12, eight);
        }
        const int32_t sums[4] = {sum0, sum1, sum2, sum3};
        for (int32_t i = 0; i < 4 && channel + i < l->channels; i++) {
            y[channel + i] = (int8_t)tl_fc_output((sums[i] >> 4) + l->bias[channel + i], channel + i, scaling);
        }
    }
}

#endif
