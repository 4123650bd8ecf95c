/* CONV_2D with a single output place whose window is the whole image: the sums of FULLY_CONNECTED, rounded as
 * convolutions are.
 */
#ifndef TL_CONV_PIXEL_H
#define TL_CONV_PIXEL_H

#include "tl_blocks.h"
#include "tl_fully_connected_s8.h"

typedef struct {
    tl_fc_s8_t rows;
    const int32_t *multiplier; /* this and what follows as in tl_block_t */
    const int8_t *shift;
    uint16_t per_channel;
    int16_t zero, low, high;
} tl_conv_pixel_t;

TL_OWN void tl_conv_pixel_s8(const tl_conv_pixel_t *layer, const int8_t *x, int8_t *y)
{
    const tl_fc_s8_t *const l = &layer->rows;
    const uint32_t start = tl_fc_start_s8(x, l->depth);
    const int32_t grouped = l->channels - l->channels % 4, each = layer->per_channel, zero = layer->zero;
    const int32_t *multiplier = layer->multiplier;
    const int8_t *shift = layer->shift, *row = l->rows;
    int8_t *out = y;
    for (int32_t channel = 0; channel < grouped;) {
        int32_t sums[TL_FC_CHUNK];
        const int32_t count = tl_min(grouped - channel, TL_FC_CHUNK);
        tl_fc_sums_s8(x, l, start, channel, count, sums);
        for (int32_t i = 0; i < count; i++, multiplier += each, shift += each) {
            *out++ = (int8_t)tl_requantise_twice(sums[i], *multiplier, *shift, zero);
        }
        channel += count;
    }
    for (int32_t channel = grouped; channel < l->channels; channel++, row += l->depth) {
        const int32_t sum = tl_fc_row_s8(l->bias[channel], x, row, l->depth);
        *out++ = (int8_t)tl_requantise_twice(sum, *multiplier, *shift, zero);
        multiplier += each;
        shift += each;
    }
    tl_limits_s8(y, l->channels, layer->low, layer->high);
}

#endif
