/* UNIDIRECTIONAL_SEQUENCE_LSTM in int8 with a cell state of int16. The specification is codegen/operators/lstm.py.
 *
 * The four gates of a unit are four rows of weights, whose sums the kernel of FULLY_CONNECTED makes for eight units at
 * a time in one pass over the input and one over the hidden state.
 */
#ifndef TL_LSTM_H
#define TL_LSTM_H

#include "tl_fully_connected_s8.h"
#ifndef TL_LSTM_TABLES
#include "tl_gates16.h"
#endif

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

/* TFLite's (multiplier, shift), rounded twice; |sum| * 2^shift < 2^30 */
static inline int32_t tl_scale_any(int32_t sum, int32_t multiplier, int32_t shift)
{
    return shift > 0 ? tl_doubling_high_narrow((int32_t)((uint32_t)sum << shift), multiplier)
                     : tl_scale_down_narrow(sum, multiplier, -shift);
}

#ifdef TL_LSTM_TABLES
/* the specification is codegen/operators/lstm_tflm.py */
static inline int32_t tl_lstm_added(int32_t input, int32_t recurrent)
{
    return tl_sat16(tl_sat16(input) + tl_sat16(recurrent));
}

static inline void tl_lstm_sigmoid(const tl_lstm_t *l, int32_t *at, int32_t count)
{
    for (int32_t left = count; left > 0; left--, at += 4) {
        *at = tl_logistic16(*at, 3, 0, l->sigmoid);
    }
}

/* of values with so many integer bits */
static inline void tl_lstm_tanh(const tl_lstm_t *l, int32_t *at, int32_t count, int32_t bits)
{
    const int32_t up = bits - 3;
    for (int32_t left = count; left > 0; left--, at += 4) {
        *at = up >= 0 ? tl_tanh16(*at, 3 * (1 << up), 0, l->sigmoid) : tl_tanh16(*at, 3, -up, l->sigmoid);
    }
}

static inline int32_t tl_lstm_next(const tl_lstm_t *l, int32_t kept, int32_t added)
{
    return tl_sat16(tl_sat16(tl_scale_any(kept, 1 << 30, -14)) +
                    tl_sat16(tl_scale_any(added, 1 << 30, -14 - l->cell_bits)));
}
#else
static inline int32_t tl_lstm_added(int32_t input, int32_t recurrent)
{
    return tl_sat16(tl_sat16(input) + recurrent);
}

static inline void tl_lstm_sigmoid(const tl_lstm_t *l, int32_t *at, int32_t count)
{
    (void)l;
    tl_sigmoids16(at, count);
}

/* of values with so many integer bits */
static inline void tl_lstm_tanh(const tl_lstm_t *l, int32_t *at, int32_t count, int32_t bits)
{
    (void)l;
    tl_tanhs16(at, count, bits);
}

static inline int32_t tl_lstm_next(const tl_lstm_t *l, int32_t kept, int32_t added)
{
    return tl_sat16(tl_shift_right(kept, 15) + tl_shift_right(added, 15 + l->cell_bits));
}
#endif

/* One gate of some units, every fourth sum of `at`: to 3.12. `recurrent` NULL: sums over the hidden state are zero */
static inline void tl_lstm_gate(const tl_lstm_t *l, int32_t gate, int32_t *at, const int32_t *recurrent, int32_t units)
{
    const int32_t multiplier = l->input_multiplier[gate], shift = -l->input_shift[gate];
    const int32_t other = l->recurrent_multiplier[gate], down = -l->recurrent_shift[gate];
    if (shift <= 0 || down <= 0 || recurrent == NULL) {
        for (int32_t i = 0; i < units; i++) {
            const int32_t more = recurrent == NULL ? 0 : tl_scale_any(recurrent[4 * i], other, -down);
            at[4 * i] = tl_lstm_added(tl_scale_any(at[4 * i], multiplier, -shift), more);
        }
        return;
    }
    const int32_t half = 1 << (shift - 1), other_half = 1 << (down - 1);
    for (int32_t left = units; left > 0; left--, at += 4, recurrent += 4) {
        const int32_t twice = (int32_t)((uint32_t)*at << 1), more = (int32_t)((uint32_t)*recurrent << 1);
        const int32_t first = (tl_high_rounded(twice, multiplier, half) + (twice >> 31)) >> shift;
        *at = tl_lstm_added(first, (tl_high_rounded(more, other, other_half) + (more >> 31)) >> down);
    }
}

/* One sample, eight units at a time. `hidden` NULL: the start of a sequence, real zero. y may not be hidden; cell may
 * be before. */
TL_SHARED void tl_lstm_step(const tl_lstm_t *l, const int8_t *x, const int8_t *hidden, const int16_t *before, int8_t *y,
                            int16_t *cell)
{
    const uint32_t start = tl_fc_start_s8(x, l->inputs);
    const uint32_t hidden_start = hidden == NULL ? 0 : tl_fc_start_s8(hidden, l->units);
    int32_t sums[TL_FC_CHUNK], recurrent[TL_FC_CHUNK];
    for (int32_t unit = 0; unit < l->units; unit += TL_FC_CHUNK / 4) {
        const int32_t count = tl_min(4 * (l->units - unit), TL_FC_CHUNK);
        tl_fc_sums_s8(x, l->input, start, 4 * unit, count, sums);
        if (hidden != NULL) {
            tl_fc_sums_s8(hidden, l->recurrent, hidden_start, 4 * unit, count, recurrent);
        }
        int32_t *const end = sums + count;
        for (int32_t gate = 0; gate < 4; gate++) {
            tl_lstm_gate(l, gate, sums + gate, hidden == NULL ? NULL : recurrent + gate, count / 4);
            if (gate == 2) {
                tl_lstm_tanh(l, sums + gate, count / 4, 3);
            } else {
                tl_lstm_sigmoid(l, sums + gate, count / 4);
            }
        }
        const int16_t *last = before + unit;
        int16_t *next = cell + unit;
        for (int32_t *at = sums; at != end; at += 4) {
            const int32_t state = tl_lstm_next(l, at[1] * *last++, at[0] * at[2]);
            at[2] = tl_clamp(state, -l->cell_clip, l->cell_clip);
            *next++ = (int16_t)at[2];
        }
        tl_lstm_tanh(l, sums + 2, count / 4, l->cell_bits);
        int8_t *row = y + unit;
        for (const int32_t *at = sums; at != end; at += 4) {
            const int32_t seen = tl_scale_any(at[3] * at[2], l->hidden_multiplier, l->hidden_shift);
            *row++ = (int8_t)tl_sat8(seen + l->hidden_zero);
        }
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
