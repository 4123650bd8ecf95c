/* RING_CONV: the depthwise convolution over all rows of a ring, at the newest sample; see
 * codegen/operators/ring_conv.py.
 *
 * Four channels at a time. On the Cortex-M4 a word of weights is split by SXTB16 into channels (0, 2) and (1, 3), and
 * so is a word of int8 values; of int16 two words hold the four.
 */
#ifndef TL_RING_CONV_H
#define TL_RING_CONV_H

#include "tl_blocks.h"

typedef struct {
    const int8_t *weights; /* [2 * slots - 1][channels], oldest first, then from the start again */
    const int32_t *bias;   /* with the input's zero point folded in */
    const int32_t *multiplier;
    const int8_t *shift; /* int8 */
    int32_t slots, channels;
    int32_t per_channel;     /* entries of multiplier and shift: 1 a channel, 0 one for all */
    int32_t zero, low, high; /* zero: 2 * zero point + 1 */
} tl_ring_conv_t;

typedef struct {
    int32_t s0, s1, s2, s3;
} tl_ring_sums_t;

#if TL_DSP && TL_ALL_REGISTERS
#define TL_RING_ROW_S16                                                                                                \
    "ldr %[a], [%[x]]\n\tldr %[b], [%[x], #4]\n\tldr %[v], [%[w]]\n\tadd %[x], %[row2]\n\tadd %[w], %[row]\n\t"        \
    "sxtb16 %[u], %[v]\n\tsxtb16 %[v], %[v], ror #8\n\tsmlabb %[s0], %[a], %[u], %[s0]\n\t"                            \
    "smlatb %[s1], %[a], %[v], %[s1]\n\tsmlabt %[s2], %[b], %[u], %[s2]\n\tsmlatt %[s3], %[b], %[v], %[s3]\n\t"
#define TL_RING_ROW_S8                                                                                                 \
    "ldr %[a], [%[x]]\n\tldr %[v], [%[w]]\n\tadd %[x], %[row2]\n\tadd %[w], %[row]\n\tsxtb16 %[b], %[a]\n\t"           \
    "sxtb16 %[a], %[a], ror #8\n\tsxtb16 %[u], %[v]\n\tsxtb16 %[v], %[v], ror #8\n\t"                                  \
    "smlabb %[s0], %[b], %[u], %[s0]\n\tsmlabb %[s1], %[a], %[v], %[s1]\n\tsmlatt %[s2], %[b], %[u], %[s2]\n\t"        \
    "smlatt %[s3], %[a], %[v], %[s3]\n\t"
#endif

/* SUMS: sum + x . w over the rows, of four channels; VALUE: the element type; row: channels, row2: bytes of a row of x
 */
#ifdef TL_RING_ROW_S16
#define TL_RING_SUMS(NAME, VALUE, ROW)                                                                                 \
    static inline tl_ring_sums_t NAME(tl_ring_sums_t s, const VALUE *x, const int8_t *w, int32_t slots, int32_t row)   \
    {                                                                                                                  \
        const int32_t row2 = row * (int32_t)sizeof *x;                                                                 \
        for (; slots > 0; slots--) {                                                                                   \
            uint32_t a, b, u, v;                                                                                       \
            __asm__(ROW                                                                                                \
                    : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x] "+r"(x), [w] "+r"(w),    \
                      [a] "=&r"(a), [b] "=&r"(b), [u] "=&r"(u), [v] "=&r"(v)                                           \
                    : [row] "r"(row), [row2] "r"(row2)                                                                 \
                    : "memory");                                                                                       \
        }                                                                                                              \
        return s;                                                                                                      \
    }
TL_RING_SUMS(tl_ring_sums_s16, int16_t, TL_RING_ROW_S16)
TL_RING_SUMS(tl_ring_sums_s8, int8_t, TL_RING_ROW_S8)
#else
#define TL_RING_SUMS(NAME, VALUE)                                                                                      \
    static inline tl_ring_sums_t NAME(tl_ring_sums_t s, const VALUE *x, const int8_t *w, int32_t slots, int32_t row)   \
    {                                                                                                                  \
        for (; slots > 0; slots--, x += row, w += row) {                                                               \
            s.s0 += x[0] * w[0];                                                                                       \
            s.s1 += x[1] * w[1];                                                                                       \
            s.s2 += x[2] * w[2];                                                                                       \
            s.s3 += x[3] * w[3];                                                                                       \
        }                                                                                                              \
        return s;                                                                                                      \
    }
TL_RING_SUMS(tl_ring_sums_s16, int16_t)
TL_RING_SUMS(tl_ring_sums_s8, int8_t)
#endif

static inline int16_t tl_ring_output_s16(const tl_ring_conv_t *layer, int32_t sum, int32_t channel)
{
    const int32_t multiplier = layer->multiplier[layer->per_channel ? channel : 0];
    return (int16_t)tl_clamp(tl_high_rounded(sum, multiplier, 0), layer->low, layer->high);
}

static inline int8_t tl_ring_output_s8(const tl_ring_conv_t *layer, int32_t sum, int32_t channel)
{
    const int32_t i = layer->per_channel ? channel : 0;
    const int32_t output = tl_requantise_twice(sum, layer->multiplier[i], layer->shift[i], layer->zero);
    return (int8_t)tl_clamp(output, layer->low, layer->high);
}

/* ..._here: for a layer whose numbers are data, which the compiler keeps in registers there */
#define TL_RING_CONV(LINKAGE, NAME, VALUE, SUMS, OUTPUT)                                                               \
    LINKAGE void NAME(const tl_ring_conv_t *layer, const VALUE *x, int32_t head, VALUE *y)                             \
    {                                                                                                                  \
        const int32_t channels = layer->channels, whole = channels - channels % 4;                                     \
        const int8_t *weights = layer->weights + (layer->slots - 1 - head) * channels;                                 \
        const int32_t *bias = layer->bias;                                                                             \
        for (int32_t c = 0; c < whole; c += 4) {                                                                       \
            tl_ring_sums_t s = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};                                       \
            s = SUMS(s, x + c, weights + c, layer->slots, channels);                                                   \
            y[c] = OUTPUT(layer, s.s0, c);                                                                             \
            y[c + 1] = OUTPUT(layer, s.s1, c + 1);                                                                     \
            y[c + 2] = OUTPUT(layer, s.s2, c + 2);                                                                     \
            y[c + 3] = OUTPUT(layer, s.s3, c + 3);                                                                     \
        }                                                                                                              \
        for (int32_t c = whole; c < channels; c++) {                                                                   \
            int32_t sum = bias[c];                                                                                     \
            for (int32_t slot = 0; slot < layer->slots; slot++) {                                                      \
                sum += x[slot * channels + c] * weights[slot * channels + c];                                          \
            }                                                                                                          \
            y[c] = OUTPUT(layer, sum, c);                                                                              \
        }                                                                                                              \
    }
TL_RING_CONV(TL_SHARED, tl_ring_conv_s16, int16_t, tl_ring_sums_s16, tl_ring_output_s16)
TL_RING_CONV(TL_SHARED, tl_ring_conv_s8, int8_t, tl_ring_sums_s8, tl_ring_output_s8)
TL_RING_CONV(TL_INLINE, tl_ring_conv_s16_here, int16_t, tl_ring_sums_s16, tl_ring_output_s16)
TL_RING_CONV(TL_INLINE, tl_ring_conv_s8_here, int8_t, tl_ring_sums_s8, tl_ring_output_s8)

#endif
