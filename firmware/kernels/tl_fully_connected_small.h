/* FULLY_CONNECTED in a short loop: the small form, see codegen/lowering/kernel_selection.py. Weights [channel][depth].
 */
#ifndef TL_FULLY_CONNECTED_SMALL_H
#define TL_FULLY_CONNECTED_SMALL_H

#include "tl_fully_connected.h"

/* bias: input zero point folded in */
#define TL_FULLY_CONNECTED_SMALL(NAME, ELEMENT)                                                                        \
    TL_SHARED void NAME(const ELEMENT *x, const int8_t *w, const int32_t *bias, const tl_scaling_t *scaling,           \
                        int32_t depth, int32_t channels, ELEMENT *y)                                                   \
    {                                                                                                                  \
        for (int32_t channel = 0; channel < channels; channel++) {                                                     \
            int32_t sum = bias[channel];                                                                               \
            for (int32_t k = 0; k < depth; k++) {                                                                      \
                sum += x[k] * *w++;                                                                                    \
            }                                                                                                          \
            y[channel] = (ELEMENT)tl_fc_output(sum, channel, scaling);                                                 \
        }                                                                                                              \
    }

TL_FULLY_CONNECTED_SMALL(tl_fully_connected_small_s8, int8_t)
TL_FULLY_CONNECTED_SMALL(tl_fully_connected_small_s16, int16_t)

#endif
