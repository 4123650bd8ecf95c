/* FULLY_CONNECTED on a list of heard inputs; every other input equals the zero point and adds nothing.
 *
 * Weights lie column by column: the products of one input with all channels are side by side. tl_entry_t is the
 * generated model's: { uint16_t index; tl_input_t value; }.
 */
#ifndef TL_SPARSE_H
#define TL_SPARSE_H

#include "tl_fully_connected.h"

/* sums[channels] is scratch */
#define TL_SPARSE_FULLY_CONNECTED(NAME, ELEMENT)                                                                       \
    static inline void NAME(const tl_entry_t *entries, uint16_t count, const int8_t *weights, const int32_t *bias,     \
                            const tl_scaling_t scaling, int32_t input_zero_point, int32_t channels, int32_t *sums,     \
                            ELEMENT *y)                                                                                \
    {                                                                                                                  \
        memcpy(sums, bias, (size_t)channels * sizeof sums[0]);                                                         \
        for (uint16_t entry = 0; entry < count; entry++) {                                                             \
            const int32_t value = entries[entry].value - input_zero_point;                                             \
            const int8_t *column = weights + (int32_t)entries[entry].index * channels;                                 \
            for (int32_t channel = 0; channel < channels; channel++) {                                                 \
                sums[channel] += value * column[channel];                                                              \
            }                                                                                                          \
        }                                                                                                              \
        for (int32_t channel = 0; channel < channels; channel++) {                                                     \
            y[channel] = (ELEMENT)tl_fc_output(sums[channel], channel, scaling);                                       \
        }                                                                                                              \
    }

TL_SPARSE_FULLY_CONNECTED(tl_sparse_fully_connected_s8, int8_t)
TL_SPARSE_FULLY_CONNECTED(tl_sparse_fully_connected_s16, int16_t)

#endif
