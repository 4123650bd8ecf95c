/* FULLY_CONNECTED on a list of heard inputs, as tl_sparse.h, with weights of four bits, two a byte.
 *
 * A column is filled up to words of eight channels: byte j of a word holds the weights of channels j (low half) and
 * j + 4; packed by codegen/kernel_forms/nibbles.py. Eight sums stay in registers while the list is walked.
 */
#ifndef TL_SPARSE_NIBBLES_H
#define TL_SPARSE_NIBBLES_H

#include "tl_nibbles.h"
#include "tl_sparse.h"

/* row r += value * lower half of byte r, and of the upper half for tl_scaled_high4, times 2^TL_NIBBLE_SHIFT */
#if TL_DSP
static inline tl_sums_t tl_scaled_low4(tl_sums_t sum, int32_t value, uint32_t word)
{
    return tl_scaled_bytes4(sum, value, word << 4 & 0xF0F0F0F0u);
}

static inline tl_sums_t tl_scaled_high4(tl_sums_t sum, int32_t value, uint32_t word)
{
    return tl_scaled_bytes4(sum, value, word & 0xF0F0F0F0u);
}
#else
static inline tl_sums_t tl_scaled_low4(tl_sums_t sum, int32_t value, uint32_t word)
{
    sum.row0 += value * tl_nibble(word, 0);
    sum.row1 += value * tl_nibble(word, 8);
    sum.row2 += value * tl_nibble(word, 16);
    sum.row3 += value * tl_nibble(word, 24);
    return sum;
}

static inline tl_sums_t tl_scaled_high4(tl_sums_t sum, int32_t value, uint32_t word)
{
    return tl_scaled_low4(sum, value, word >> 4); /* which fills up with zeros behind the last half */
}
#endif

TL_OWN void tl_sparse_fully_connected_nibbles_s8(const void *entries, uint16_t count, const int8_t *weights,
                                                 const int32_t *bias, const tl_scaling_t *scaling,
                                                 int32_t input_zero_point, int32_t channels, int8_t *y)
{
    const uint8_t *const end = (const uint8_t *)entries + TL_ENTRY * (int32_t)count;
    const int32_t line = (channels + 7) / 8 * 4; /* bytes of a column */
    for (int32_t channel = 0; channel < channels; channel += 8) {
        tl_sums_t low = {0, 0, 0, 0}, high = {0, 0, 0, 0};
        const int8_t *const columns = weights + channel / 2;
        for (const uint8_t *entry = entries; entry < end; entry += TL_ENTRY) {
            const uint32_t word = tl_load4(columns + tl_entry_index(entry) * line);
            const int32_t value = tl_entry_value_s8(entry) - input_zero_point;
            low = tl_scaled_low4(low, value, word);
            high = tl_scaled_high4(high, value, word);
        }
        const int32_t sums[8] = {low.row0, low.row1, low.row2, low.row3, high.row0, high.row1, high.row2, high.row3};
        for (int32_t i = 0; i < 8 && channel + i < channels; i++) {
            const int32_t total = (sums[i] >> TL_NIBBLE_SHIFT) + bias[channel + i];
            y[channel + i] = (int8_t)tl_fc_output(total, channel + i, scaling);
        }
    }
}

#endif
