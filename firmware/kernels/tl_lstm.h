/* UNIDIRECTIONAL_SEQUENCE_LSTM in int8 with a cell state of int16. The specification is codegen/operators/lstm.py.
 *
 * The four gates of a unit are four rows of weights, whose sums the kernel of FULLY_CONNECTED makes for eight units at
 * a time in one pass over the input and one over the hidden state.
 */
#ifndef TL_LSTM_H
#define TL_LSTM_H

#include "tl_fully_connected_s8.h"

typedef struct {
    const tl_fc_s8_t *input, *recurrent; /* four rows a unit: input, forget, cell, output gate; zero points folded in */
    int32_t inputs, units;
    int32_t input_multiplier[4], recurrent_multiplier[4]; /* to 3.12 */
    int8_t input_shift[4], recurrent_shift[4];
    int32_t cell_bits, cell_clip; /* integer bits of the cell state; its largest magnitude */
    int32_t hidden_multiplier, hidden_shift, hidden_zero;
#ifdef TL_LSTM_TABLES
    const uint16_t *sigmoid; /* [256] of sigmoid(i / 24) */
#endif
} tl_lstm_t;

/* a * b in 0.15, rounded; both of 16 bits */
TL_INLINE int32_t tl_high16(int32_t a, int32_t b)
{
#if TL_DSP
    int32_t y;
    __asm__("smmulr %0, %1, %2" : "=r"(y) : "r"((uint32_t)a << 16), "r"((uint32_t)b << 1));
    return y;
#else
    return (a * b + (1 << 14)) >> 15;
#endif
}

/* exp(a) in 0.15, a <= 0 an int16 with so many integer bits */
TL_INLINE int32_t tl_exp16(int32_t a, int32_t integer_bits)
{
    if (a == 0) {
        return INT16_MAX;
    }
    const int32_t fraction_bits = 13 - integer_bits; /* below a quarter */
    if (integer_bits > 5 && a < -(128 << fraction_bits)) {
        return 0;
    }
    const int32_t quarter = 1 << fraction_bits;
    const int32_t fraction = (a & (quarter - 1)) - quarter;
    const int32_t x = fraction * (1 << integer_bits) + (1 << 12); /* around -1/8 */
    const int32_t x2 = tl_high16(x, x), x4 = tl_high16(x2, x2);
    const int32_t tail = tl_high16(((x4 + 2) >> 2) + tl_high16(x2, x), 10923) + x2;
    int32_t result = 28918 + tl_high16(x + ((tail + 1) >> 1), 28918);
    const uint32_t quarters = (uint32_t)(fraction - a) >> fraction_bits;
    /* exp(-1/4), exp(-1/2), ... exp(-16) */
    result = (quarters & 1u) != 0u ? tl_high16(result, 25520) : result;
    result = (quarters & 2u) != 0u ? tl_high16(result, 19875) : result;
    result = (quarters & 4u) != 0u ? tl_high16(result, 12055) : result;
    result = (quarters & 8u) != 0u ? tl_high16(result, 4435) : result;
    result = (quarters & 16u) != 0u ? tl_high16(result, 600) : result;
    result = (quarters & 32u) != 0u ? tl_high16(result, 11) : result;
    return (quarters & 64u) != 0u ? 0 : result;
}

/* 2 / (1 + a) in 2.13, 0 <= a <= 1 in 0.15 */
static inline int32_t tl_reciprocal16(int32_t a)
{
    const int32_t half = (a + 32768) >> 1;
    int32_t x = 23130 + tl_high16(half, -15420);
    x += tl_high16(x, (1 << 13) - tl_high16(half, x)) * 4;
    x += tl_high16(x, (1 << 13) - tl_high16(half, x)) * 4;
    return x + tl_high16(x, (1 << 13) - tl_high16(half, x)) * 4;
}

/* sigmoid in 0.15 of an int16 in 3.12 */
TL_SHARED int32_t tl_sigmoid16(int32_t a)
{
    if (a == 0) {
        return 1 << 14;
    }
    const int32_t positive = tl_sat16(tl_reciprocal16(tl_exp16(-tl_abs(a), 3)) * 2);
    return a > 0 ? positive : INT16_MAX - positive;
}

/* tanh in 0.15 of an int16 with so many integer bits */
TL_SHARED int32_t tl_tanh_cell(int32_t a, int32_t integer_bits)
{
    const int32_t magnitude = tl_sat16((tl_reciprocal16(tl_exp16(-tl_abs(a), integer_bits + 1)) - (1 << 13)) * 4);
    return a > 0 ? magnitude : a < 0 ? -magnitude : 0;
}

/* TFLite's (multiplier, shift), rounded twice; |sum| * 2^shift < 2^30 */
static inline int32_t tl_scale_any(int32_t sum, int32_t multiplier, int32_t shift)
{
    return shift > 0 ? tl_doubling_high_narrow((int32_t)((uint32_t)sum << shift), multiplier)
                     : tl_scale_down_narrow(sum, multiplier, -shift);
}

#ifdef TL_LSTM_TABLES
/* the specification is codegen/operators/lstm_tflm.py */
static inline int32_t tl_lstm_gate(const tl_lstm_t *l, int32_t gate, int32_t input, int32_t recurrent)
{
    const int32_t first = tl_sat16(tl_scale_any(input, l->input_multiplier[gate], l->input_shift[gate]));
    return tl_sat16(first + tl_sat16(tl_scale_any(recurrent, l->recurrent_multiplier[gate], l->recurrent_shift[gate])));
}

/* tanh in 0.15 of the cell state */
static inline int32_t tl_lstm_seen(const tl_lstm_t *l, int32_t cell)
{
    const int32_t left = l->cell_bits - 3;
    return left >= 0 ? tl_tanh16(cell, 3 * (1 << left), 0, l->sigmoid) : tl_tanh16(cell, 3, -left, l->sigmoid);
}

/* the next cell state of a unit, and its output gate; a, b: sums of its four gates over input and hidden state */
static inline int32_t tl_lstm_cell(const tl_lstm_t *l, const int32_t *a, const int32_t *b, int32_t before,
                                   int32_t *output)
{
    const int32_t input = tl_logistic16(tl_lstm_gate(l, 0, a[0], b[0]), 3, 0, l->sigmoid);
    const int32_t forget = tl_logistic16(tl_lstm_gate(l, 1, a[1], b[1]), 3, 0, l->sigmoid);
    const int32_t update = tl_tanh16(tl_lstm_gate(l, 2, a[2], b[2]), 3, 0, l->sigmoid);
    *output = tl_logistic16(tl_lstm_gate(l, 3, a[3], b[3]), 3, 0, l->sigmoid);
    const int32_t kept = tl_sat16(tl_scale_any(forget * before, 1 << 30, -14));
    return tl_sat16(kept + tl_sat16(tl_scale_any(input * update, 1 << 30, -14 - l->cell_bits)));
}
#else
static inline int32_t tl_lstm_gate(const tl_lstm_t *l, int32_t gate, int32_t input, int32_t recurrent)
{
    const int32_t first = tl_sat16(tl_scale_any(input, l->input_multiplier[gate], l->input_shift[gate]));
    return tl_sat16(first + tl_scale_any(recurrent, l->recurrent_multiplier[gate], l->recurrent_shift[gate]));
}

/* tanh in 0.15 of the cell state */
static inline int32_t tl_lstm_seen(const tl_lstm_t *l, int32_t cell)
{
    return tl_tanh_cell(cell, l->cell_bits);
}

/* the next cell state of a unit, and its output gate; a, b: sums of its four gates over input and hidden state */
static inline int32_t tl_lstm_cell(const tl_lstm_t *l, const int32_t *a, const int32_t *b, int32_t before,
                                   int32_t *output)
{
    const int32_t input = tl_sigmoid16(tl_lstm_gate(l, 0, a[0], b[0]));
    const int32_t forget = tl_sigmoid16(tl_lstm_gate(l, 1, a[1], b[1]));
    const int32_t update = tl_tanh_cell(tl_lstm_gate(l, 2, a[2], b[2]), 3);
    *output = tl_sigmoid16(tl_lstm_gate(l, 3, a[3], b[3]));
    return tl_sat16(tl_shift_right(forget * before, 15) + tl_shift_right(input * update, 15 + l->cell_bits));
}
#endif

/* sums of the gates of count / 4 units from `unit` on */
static inline void tl_lstm_sums(const int8_t *x, const tl_fc_s8_t *l, uint32_t start, int32_t unit, int32_t count,
                                int32_t *sums)
{
    tl_fc_sums_s8(x, l, start, 4 * unit, count, sums);
    for (int32_t i = 0; i < count; i++) {
        sums[i] = tl_wrapping_add(sums[i], (uint32_t)l->bias[4 * unit + i]);
    }
}

/* One sample. `hidden` NULL: the start of a sequence, real zero. y may not be hidden; cell may be before. */
TL_SHARED void tl_lstm_step(const tl_lstm_t *l, const int8_t *x, const int8_t *hidden, const int16_t *before, int8_t *y,
                            int16_t *cell)
{
    const uint32_t start = tl_fc_start_s8(x, l->inputs);
    const uint32_t hidden_start = hidden == NULL ? 0 : tl_fc_start_s8(hidden, l->units);
    int32_t sums[TL_FC_CHUNK], hidden_sums[TL_FC_CHUNK] = {0};
    for (int32_t unit = 0; unit < l->units; unit++) {
        const int32_t at = unit % (TL_FC_CHUNK / 4) * 4;
        if (at == 0) {
            const int32_t count = tl_min(4 * (l->units - unit), TL_FC_CHUNK);
            tl_lstm_sums(x, l->input, start, unit, count, sums);
            if (hidden != NULL) {
                tl_lstm_sums(hidden, l->recurrent, hidden_start, unit, count, hidden_sums);
            }
        }
        int32_t output;
        const int32_t next = tl_lstm_cell(l, sums + at, hidden_sums + at, before[unit], &output);
        cell[unit] = (int16_t)tl_clamp(next, -l->cell_clip, l->cell_clip);
        const int32_t seen = output * tl_lstm_seen(l, cell[unit]);
        y[unit] = (int8_t)tl_sat8(tl_scale_any(seen, l->hidden_multiplier, l->hidden_shift) + l->hidden_zero);
    }
}

/* A whole sequence from real zero: `steps` rows of x. `stride` is that of y: units to keep every row; 0 to keep the
 * last one, `other` is then the second of two rows that take turns. */
static inline void tl_lstm_sequence(const tl_lstm_t *l, const int8_t *x, int32_t steps, int8_t *y, int32_t stride,
                                    int8_t *other, int16_t *cell)
{
    const int8_t *hidden = NULL;
    TL_MEMSET(cell, 0, (size_t)l->units * sizeof *cell);
    for (int32_t t = 0; t < steps; t++, x += l->inputs) {
        int8_t *row = stride > 0 ? y + t * stride : (steps - t) % 2 ? y : other;
        tl_lstm_step(l, x, hidden, cell, row, cell);
        hidden = row;
    }
}

#endif
