/* How weights.c writes constants of FULLY_CONNECTED and convolutions on int8: plain numbers, in blocks. These macros
 * bring them into the order and the form that the core's inner loop reads (tl_fully_connected_s8.h). A weight `u` is
 * stored biased by 128, as an unsigned byte; `w` is stored as it is.
 */
#ifndef TL_WEIGHTS_MACROS_H
#define TL_WEIGHTS_MACROS_H

#include "tl_fixed.h"

#define TL_BIASED(x) ((uint32_t)((x) + 128))
#define TL_PLAIN(x) ((uint32_t)(x)&0xFFu)
#define TL_WORD(b0, b1, b2, b3) ((b0) | (b1) << 8 | (b2) << 16 | (b3) << 24)

#if TL_DSP
/* a half: two rows of the same depth, u + 256 * w; a word: halves of depths k and k + 2, which SXTB16 pairs too */
#define TL_PAIR(u0, w0, u2, w2) TL_WORD(TL_BIASED(u0), TL_PLAIN(w0), TL_BIASED(u2), TL_PLAIN(w2))
#define TL_BLOCK(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)                                       \
    TL_PAIR(a0, b0, a2, b2), TL_PAIR(a1, b1, a3, b3), TL_PAIR(c0, d0, c2, d2), TL_PAIR(c1, d1, c3, d3)
#define TL_COLUMN(a, b, c, d) TL_WORD(TL_BIASED(a), TL_PLAIN(b), TL_BIASED(c), TL_PLAIN(d))
#define TL_BIAS(bias, weights) (bias)
/* of two channels of a convolution: the half-word a + 256 * b, tl_block_pairs.h */
#define TL_TWO_CHANNELS(a, b) (a), ((b) - ((a) < 0))
#else
/* a word: four rows of one depth, all biased */
#define TL_COLUMN(a, b, c, d) TL_WORD(TL_BIASED(a), TL_BIASED(b), TL_BIASED(c), TL_BIASED(d))
#define TL_BLOCK(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)                                       \
    TL_COLUMN(a0, b0, c0, d0), TL_COLUMN(a1, b1, c1, d1), TL_COLUMN(a2, b2, c2, d2), TL_COLUMN(a3, b3, c3, d3)
/* `weights`: their sum in the row, which the bias of 128 of the inputs meets */
#define TL_BIAS(bias, weights) ((int32_t)((uint32_t)(bias)-128u * (uint32_t)(weights)))
#define TL_TWO_CHANNELS(a, b) (a), (b)
#endif

#endif
