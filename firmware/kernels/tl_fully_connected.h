/* FULLY_CONNECTED. Weights are packed by codegen/operators/packing.py: four rows together, a word of each in turn.
 *
 * Four rows share each load of the input. On the Cortex-M4 a word of weights is split by SXTB16 into two pairs for SMLAD:
 * 4 loads + 8 SXTB16 + 8 SMLAD for 16 products, and 1 load + 2 SXTB16 (int8) or 2 loads (int16) of input.
 */
#ifndef TL_FULLY_CONNECTED_H
#define TL_FULLY_CONNECTED_H

#include <stddef.h>

#include "tl_fixed.h"

/* How sums become outputs. multiplier_low is NULL where 31 bits of multiplier are exact. */
typedef struct {
    const int32_t *multiplier;
    const int32_t *multiplier_low;
    const int8_t *shift;
    int32_t per_channel, zero_point, low, high;
} tl_scaling_t;

static inline int32_t tl_fc_output(int32_t sum, int32_t channel, const tl_scaling_t scaling)
{
    const int32_t i = scaling.per_channel ? channel : 0;
    const int32_t scaled =
        scaling.multiplier_low == NULL
            ? tl_requantise(sum, scaling.multiplier[i], scaling.shift[i])
            : tl_requantise_long(sum, scaling.multiplier[i], scaling.multiplier_low[i], scaling.shift[i]);
    return tl_clamp(scaled + scaling.zero_point, scaling.low, scaling.high);
}

/* sum[row] += x[0..3] . w[4 * row .. 4 * row + 3] */
#if TL_DSP
static inline void tl_dot4_s8(int32_t sum[4], const int8_t *x, const int8_t *w)
{
    const uint32_t word = tl_load4(x);
    const uint32_t even = tl_sxtb16(word), odd = tl_sxtb16_ror8(word);
    for (int32_t row = 0; row < 4; row++) {
        const uint32_t weights = tl_load4(w + 4 * row);
        sum[row] = tl_smlad(tl_sxtb16(weights), even, sum[row]);
        sum[row] = tl_smlad(tl_sxtb16_ror8(weights), odd, sum[row]);
    }
}

static inline void tl_dot4_s16(int32_t sum[4], const int16_t *x, const int8_t *w)
{
    const uint32_t first = tl_load4(x), second = tl_load4(x + 2);
    for (int32_t row = 0; row < 4; row++) {
        const uint32_t weights = tl_load4(w + 4 * row);
        sum[row] = tl_smlad(tl_sxtb16(weights), first, sum[row]);
        sum[row] = tl_smlad(tl_sxtb16_ror8(weights), second, sum[row]);
    }
}
#else
static inline void tl_dot4_s8(int32_t sum[4], const int8_t *x, const int8_t *w)
{
    const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    for (int32_t row = 0; row < 4; row++) {
        sum[row] += x0 * w[4 * row] + x1 * w[4 * row + 1] + x2 * w[4 * row + 2] + x3 * w[4 * row + 3];
    }
}

/* the middle bytes of a word of weights are swapped, see packing.py */
static inline void tl_dot4_s16(int32_t sum[4], const int16_t *x, const int8_t *w)
{
    const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    for (int32_t row = 0; row < 4; row++) {
        sum[row] += x0 * w[4 * row] + x1 * w[4 * row + 2] + x2 * w[4 * row + 1] + x3 * w[4 * row + 3];
    }
}
#endif

#define TL_FULLY_CONNECTED(NAME, ELEMENT, DOT4)                                                                        \
    static inline void NAME(const ELEMENT *x, const int8_t *w, const int32_t *bias, const tl_scaling_t scaling,        \
                            int32_t depth, int32_t channels, ELEMENT *y)                                               \
    {                                                                                                                  \
        int32_t channel = 0;                                                                                           \
        for (; channel + 4 <= channels; channel += 4) {                                                                \
            int32_t sum[4] = {bias[channel], bias[channel + 1], bias[channel + 2], bias[channel + 3]};                 \
            int32_t k = 0;                                                                                             \
            for (; k + 4 <= depth; k += 4) {                                                                           \
                DOT4(sum, x + k, w);                                                                                   \
                w += 16;                                                                                               \
            }                                                                                                          \
            for (; k < depth; k++) {                                                                                   \
                for (int32_t row = 0; row < 4; row++) {                                                                \
                    sum[row] += x[k] * *w++;                                                                           \
                }                                                                                                      \
            }                                                                                                          \
            for (int32_t row = 0; row < 4; row++) {                                                                    \
                y[channel + row] = (ELEMENT)tl_fc_output(sum[row], channel + row, scaling);                            \
            }                                                                                                          \
        }                                                                                                              \
        for (; channel < channels; channel++) {                                                                        \
            int32_t sum = bias[channel];                                                                               \
            for (int32_t k = 0; k < depth; k++) {                                                                      \
                sum += x[k] * *w++;                                                                                    \
            }                                                                                                          \
            y[channel] = (ELEMENT)tl_fc_output(sum, channel, scaling);                                                 \
        }                                                                                                              \
    }

TL_FULLY_CONNECTED(tl_fully_connected_s8, int8_t, tl_dot4_s8)
TL_FULLY_CONNECTED(tl_fully_connected_s16, int16_t, tl_dot4_s16)

#endif
