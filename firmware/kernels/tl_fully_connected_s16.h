/* FULLY_CONNECTED on int16. Weights are packed by codegen/kernel_forms/packing.py: four rows together, a word of each
 * in turn, its middle bytes swapped.
 *
 * On the Cortex-M4 a word of weights is split by SXTB16 into two pairs for SMLAD, which meet two words of input as they
 * lie there: 6 loads, 8 SXTB16 and 8 SMLAD for 16 products.
 */
#ifndef TL_FULLY_CONNECTED_S16_H
#define TL_FULLY_CONNECTED_S16_H

#include "tl_fully_connected.h"
#include "tl_scalar.h"

/* row r of sum += x[0..3] . w[4 * r .. 4 * r + 3]; x and w move on */
#if TL_DSP
#define TL_FC_ROW_S16(ROW, WORD)                                                                                       \
    "sxtb16 %[t], %[" WORD "]\n\tsmlad %[" ROW "], %[t], %[x0], %[" ROW "]\n\t"                                        \
    "sxtb16 %[t], %[" WORD "], ror #8\n\tsmlad %[" ROW "], %[t], %[x1], %[" ROW "]\n\t"
#define TL_FC_STEP_S16                                                                                                 \
    "ldr %[x0], [%[x]], #4\n\tldr %[x1], [%[x]], #4\n\tldr %[a], [%[w]], #4\n\tldr %[b], [%[w]], #4\n\t"               \
    "ldr %[c], [%[w]], #4\n\tldr %[d], [%[w]], #4\n\t" TL_FC_ROW_S16("r0", "a") TL_FC_ROW_S16("r1", "b")               \
        TL_FC_ROW_S16("r2", "c") TL_FC_ROW_S16("r3", "d")
#elif defined(__ARM_ARCH_7M__) && !defined(TL_PORTABLE)
#define TL_FC_ROW_S16(ROW, WORD)                                                                                       \
    "sxtb %[t], %[" WORD "]\n\tmla %[" ROW "], %[t], %[x0], %[" ROW "]\n\t"                                            \
    "sxtb %[t], %[" WORD "], ror #8\n\tmla %[" ROW "], %[t], %[x2], %[" ROW "]\n\t"                                    \
    "sxtb %[t], %[" WORD "], ror #16\n\tmla %[" ROW "], %[t], %[x1], %[" ROW "]\n\t"                                   \
    "asr %[t], %[" WORD "], #24\n\tmla %[" ROW "], %[t], %[x3], %[" ROW "]\n\t"
#define TL_FC_STEP_S16                                                                                                 \
    "ldrsh %[x0], [%[x]]\n\tldrsh %[x1], [%[x], #2]\n\tldrsh %[x2], [%[x], #4]\n\tldrsh %[x3], [%[x], #6]\n\t"         \
    "ldr %[a], [%[w]]\n\tldr %[b], [%[w], #4]\n\t" TL_FC_ROW_S16("r0", "a")                                            \
        TL_FC_ROW_S16("r1", "b") "ldr %[a], [%[w], #8]\n\tldr %[b], [%[w], #12]\n\t" TL_FC_ROW_S16("r2", "a")          \
            TL_FC_ROW_S16("r3", "b") "add %[x], #8\n\tadd %[w], #16\n\t"
#endif

#if TL_DSP
#define TL_FC_STEPS_S16(STEPS)                                                                                         \
    do {                                                                                                               \
        uint32_t x0, x1, a, b, c, d, t;                                                                                \
        __asm__ volatile(STEPS                                                                                         \
                         : [x] "+r"(x), [w] "+r"(w), [r0] "+r"(sum.row0), [r1] "+r"(sum.row1), [r2] "+r"(sum.row2),    \
                           [r3] "+r"(sum.row3), [x0] "=&r"(x0), [x1] "=&r"(x1), [a] "=&r"(a), [b] "=&r"(b),            \
                           [c] "=&r"(c), [d] "=&r"(d), [t] "=&r"(t)                                                    \
                         :                                                                                             \
                         : "memory");                                                                                  \
    } while (0)
#elif defined(TL_FC_STEP_S16)
#define TL_FC_STEPS_S16(STEPS)                                                                                         \
    do {                                                                                                               \
        uint32_t x0, x1, x2, x3, a, b, t;                                                                              \
        __asm__ volatile(STEPS                                                                                         \
                         : [x] "+r"(x), [w] "+r"(w), [r0] "+r"(sum.row0), [r1] "+r"(sum.row1), [r2] "+r"(sum.row2),    \
                           [r3] "+r"(sum.row3), [x0] "=&r"(x0), [x1] "=&r"(x1), [x2] "=&r"(x2), [x3] "=&r"(x3),        \
                           [a] "=&r"(a), [b] "=&r"(b), [t] "=&r"(t)                                                    \
                         :                                                                                             \
                         : "memory");                                                                                  \
    } while (0)
#endif

#if !TL_DSP
static inline int32_t tl_fc_word_s16(int32_t sum, const int8_t *w, int32_t x0, int32_t x1, int32_t x2, int32_t x3)
{
    return sum + x0 * w[0] + x1 * w[1] + x2 * w[2] + x3 * w[3];
}
#endif

static inline tl_sums_t tl_fc_words_s16(tl_sums_t sum, const int16_t *x, const int8_t *w, int32_t words)
{
    int32_t left = words;
#ifdef TL_FC_STEP_S16 /* written out because GCC spreads the loads, which side by side take a cycle each */
    for (; left >= 4; left -= 4) {
        TL_FC_STEPS_S16(TL_FC_STEP_S16 TL_FC_STEP_S16 TL_FC_STEP_S16 TL_FC_STEP_S16);
    }
    for (; left > 0; left--) {
        TL_FC_STEPS_S16(TL_FC_STEP_S16);
    }
#else
    for (; left > 0; left--, x += 4, w += 16) {
        const int32_t x0 = x[0], x1 = x[2], x2 = x[1], x3 = x[3];
        sum.row0 = tl_fc_word_s16(sum.row0, w, x0, x1, x2, x3);
        sum.row1 = tl_fc_word_s16(sum.row1, w + 4, x0, x1, x2, x3);
        sum.row2 = tl_fc_word_s16(sum.row2, w + 8, x0, x1, x2, x3);
        sum.row3 = tl_fc_word_s16(sum.row3, w + 12, x0, x1, x2, x3);
    }
#endif
    return sum;
}

/* a row that fills no group of four */
static inline int32_t tl_fc_row_s16(int32_t sum, const int16_t *x, const int8_t *w, int32_t depth)
{
    for (int32_t words = depth / 4; words > 0; words--, x += 4, w += 4) {
#if TL_DSP
        sum = tl_dot_word(sum, tl_load4(w), tl_load4(x), tl_load4(x + 2));
#else
        sum = tl_fc_word_s16(sum, w, x[0], x[2], x[1], x[3]);
#endif
    }
    for (int32_t k = 0; k < depth % 4; k++) {
        sum += x[k] * w[k];
    }
    return sum;
}

TL_SHARED void tl_fully_connected_s16(const int16_t *x, const int8_t *w, const int32_t *bias,
                                      const tl_scaling_t *scaling, int32_t depth, int32_t channels, int16_t *y)
{
    const int32_t words = depth / 4;
    int32_t channel = 0;
    for (; channel + 4 <= channels; channel += 4, bias += 4, y += 4) {
        tl_sums_t sum = {bias[0], bias[1], bias[2], bias[3]};
        sum = tl_fc_words_s16(sum, x, w, words);
        w += words * 16;
        for (int32_t k = 4 * words; k < depth; k++, w += 4) {
            const int32_t value = x[k];
            sum.row0 += value * w[0];
            sum.row1 += value * w[1];
            sum.row2 += value * w[2];
            sum.row3 += value * w[3];
        }
        tl_fc_four_s16(sum, channel, scaling, y);
    }
    for (; channel < channels; channel++, w += depth) {
        *y++ = (int16_t)tl_fc_output(tl_fc_row_s16(*bias++, x, w, depth), channel, scaling);
    }
}

#endif
