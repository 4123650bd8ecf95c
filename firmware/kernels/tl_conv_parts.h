/* Convolutions whose output is made in parts: groups of channels, or the phases of a TRANSPOSE_CONV, whose places lie
 * apart. The weights of each part are packed as in tl_blocks.h, one after the other.
 */
#ifndef TL_CONV_PARTS_H
#define TL_CONV_PARTS_H

#include "tl_conv.h"

typedef struct {
    tl_conv_blocks_t conv;      /* `block` is that of the first group, its `channels` are those of one group */
    int32_t out_row, out_pixel; /* values from row to row and from place to place of y */
    uint16_t groups, depth;     /* depth: channels of the image in a group */
} tl_conv_parts_t;

/* the block of the next group */
static inline void tl_next_group(tl_block_t *block, int32_t wide)
{
    const int32_t channels = block->channels, scales = block->per_channel ? channels : 0;
    block->weights += (channels + 1) / 2 * block->words * 4;
    block->bias += channels;
    block->multiplier += scales;
    if (!wide) {
        block->shift += scales;
#if !TL_DSP
        block->negatives += 2 * channels;
#endif
    }
}

TL_INLINE void tl_conv_parts(const tl_conv_parts_t *layer, const void *x, int16_t *gathered, uint8_t *y,
                             int32_t element)
{
    const tl_conv_shape_t *const s = &layer->conv.shape;
    const int32_t wide = element == TL_S16, bytes = wide ? 2 : 1, depth = layer->depth;
    int32_t row = 0, column = 0;
    for (int32_t rest = s->out_height * s->out_width; rest > 0; rest -= 4) {
        const int32_t count = rest < 4 ? rest : 4;
        tl_block_t block = layer->conv.block;
        int32_t h = row, w = column;
        for (int32_t group = 0; group < layer->groups; group++) {
            int32_t place[4];
            h = row;
            w = column;
            for (int32_t i = 0; i < 4; i++) {
                place[i] = i < count ? (h * layer->out_row + w * layer->out_pixel) * bytes : place[0];
                if (i < count) {
                    tl_gather_window(&layer->conv, x, group * depth, depth, h * s->stride_height - s->pad_height,
                                     w * s->stride_width - s->pad_width, tl_pixel_place(gathered, i), wide);
                    w++;
                }
                if (w == s->out_width) {
                    w = 0;
                    h++;
                }
            }
            const tl_block_places_t at = {place[1] - place[0], place[2] - place[0], place[3] - place[0]};
            uint8_t *const out = y + place[0] + group * block.channels * bytes;
            tl_block_outputs(&block, gathered, at, out, element);
            tl_next_group(&block, wide);
        }
        row = h;
        column = w;
    }
}

/* The limits of an activation are left to the caller: tl_limits_s8 and _s16 on the whole output. */
TL_SHARED void tl_conv_parts_s8(const tl_conv_parts_t *layer, const int8_t *x, int16_t *gathered, int8_t *y)
{
    tl_conv_parts(layer, x, gathered, (uint8_t *)y, TL_S8);
}

TL_SHARED void tl_conv_parts_deep(const tl_conv_parts_t *layer, const int8_t *x, int16_t *gathered, int8_t *y)
{
    tl_conv_parts(layer, x, gathered, (uint8_t *)y, TL_DEEP);
}

TL_SHARED void tl_conv_parts_s16(const tl_conv_parts_t *layer, const int16_t *x, int16_t *gathered, int16_t *y)
{
    tl_conv_parts(layer, x, gathered, (uint8_t *)y, TL_S16);
}

#endif
