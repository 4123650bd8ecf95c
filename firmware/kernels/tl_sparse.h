/* FULLY_CONNECTED on a list of heard inputs; every other input equals the zero point and adds nothing.
 *
 * Weights lie column by column: the products of one input with all channels are side by side. Eight sums stay in
 * registers while the list is walked. An entry is four bytes, { uint16_t index; int8_t or int16_t value; }: a type of
 * the model's, so that it is read here as bytes.
 */
#ifndef TL_SPARSE_H
#define TL_SPARSE_H

#include "tl_fully_connected.h"

#if TL_DSP
/* row r += value * signed byte r of the word; value fits 16 bits */
static inline tl_sums_t tl_scaled_bytes4(tl_sums_t sum, int32_t value, uint32_t word)
{
    const uint32_t even = tl_sxtb16(word), odd = tl_sxtb16_ror8(word);
    sum.row0 = tl_smlabb(even, value, sum.row0);
    sum.row1 = tl_smlabb(odd, value, sum.row1);
    sum.row2 = tl_smlatb(even, value, sum.row2);
    sum.row3 = tl_smlatb(odd, value, sum.row3);
    return sum;
}
#endif

/* row r += value * w[r]; value fits 16 bits */
static inline tl_sums_t tl_scaled_column4(tl_sums_t sum, int32_t value, const int8_t *w)
{
#if TL_DSP
    sum = tl_scaled_bytes4(sum, value, tl_load4(w));
#else
    sum.row0 += value * w[0];
    sum.row1 += value * w[1];
    sum.row2 += value * w[2];
    sum.row3 += value * w[3];
#endif
    return sum;
}

#define TL_ENTRY 4 /* bytes */

static inline int32_t tl_entry_index(const uint8_t *entry)
{
    uint16_t index;
    __builtin_memcpy(&index, entry, sizeof index);
    return index;
}

static inline int32_t tl_entry_value_s8(const uint8_t *entry)
{
    int8_t value;
    __builtin_memcpy(&value, entry + 2, sizeof value);
    return value;
}

static inline int32_t tl_entry_value_s16(const uint8_t *entry)
{
    int16_t value;
    __builtin_memcpy(&value, entry + 2, sizeof value);
    return value;
}

#define TL_SPARSE_FULLY_CONNECTED(NAME, ELEMENT, VALUE, OUTPUTS)                                                       \
    TL_OWN void NAME(const void *entries, uint16_t count, const int8_t *weights, const int32_t *bias,                  \
                     const tl_scaling_t *scaling, int32_t input_zero_point, int32_t channels, ELEMENT *y)              \
    {                                                                                                                  \
        const uint8_t *const end = (const uint8_t *)entries + TL_ENTRY * (int32_t)count;                               \
        const int32_t *from = bias;                                                                                    \
        const int32_t eights = channels - channels % 8;                                                                \
        int32_t channel = 0;                                                                                           \
        for (; channel < eights; channel += 8, from += 8) {                                                            \
            tl_sums_t first = {from[0], from[1], from[2], from[3]}, second = {from[4], from[5], from[6], from[7]};     \
            const int8_t *const columns = weights + channel;                                                           \
            for (const uint8_t *entry = entries; entry < end; entry += TL_ENTRY) {                                     \
                const int8_t *const column = columns + tl_entry_index(entry) * channels;                               \
                const int32_t value = VALUE(entry) - input_zero_point;                                                 \
                first = tl_scaled_column4(first, value, column);                                                       \
                second = tl_scaled_column4(second, value, column + 4);                                                 \
            }                                                                                                          \
            OUTPUTS(first, channel, scaling, y + channel);                                                             \
            OUTPUTS(second, channel + 4, scaling, y + channel + 4);                                                    \
        }                                                                                                              \
        for (; channel < channels; channel++) {                                                                        \
            int32_t sum = *from++;                                                                                     \
            for (const uint8_t *entry = entries; entry < end; entry += TL_ENTRY) {                                     \
                sum += (VALUE(entry) - input_zero_point) * weights[tl_entry_index(entry) * channels + channel];        \
            }                                                                                                          \
            y[channel] = (ELEMENT)tl_fc_output(sum, channel, scaling);                                                 \
        }                                                                                                              \
    }

TL_SPARSE_FULLY_CONNECTED(tl_sparse_fully_connected_s8, int8_t, tl_entry_value_s8, tl_fc_four_s8)
TL_SPARSE_FULLY_CONNECTED(tl_sparse_fully_connected_s16, int16_t, tl_entry_value_s16, tl_fc_four_s16)

#endif
