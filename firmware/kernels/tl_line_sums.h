/* Sums of a row of taps over four outputs of one line of tl_depthwise_rows.h's ring, for any number of taps. The
 * windows of neighbouring outputs begin `apart` values from each other.
 *
 * On the Cortex-M4 two taps are one SMLAD. Where windows are one value apart, outputs 1 and 3 see the words of outputs
 * 0 and 2 with taps moved by one, so that all loads are of whole words. Elsewhere two neighbouring outputs of int8 are
 * one multiplication, see tl_blocks.h.
 */
#ifndef TL_LINE_SUMS_H
#define TL_LINE_SUMS_H

#include "tl_row_sums.h"

#if TL_DSP
/* words that tl_line_prepare writes for a row of taps: (tap 0, tap 1), (0, tap 0), (tap 2, tap 3), (tap 1, tap 2), ...
 */
static inline int32_t tl_line_words(int32_t taps)
{
    return taps / 2 * 2 + 2;
}

static inline void tl_line_prepare(uint32_t *words, const int8_t *w, int32_t taps)
{
    int32_t before = 0;
    for (int32_t i = 0; i <= taps; i += 2) {
        const int32_t even = i < taps ? w[i] : 0, odd = i + 1 < taps ? w[i + 1] : 0;
        *words++ = tl_pair(even, odd);
        *words++ = tl_pair(before, even);
        before = odd;
    }
}

static inline tl_row_sums_t tl_line_one_apart(tl_row_sums_t s, const int16_t *x, const uint32_t *words, int32_t pairs)
{
    uint32_t e, o, x01, x23;
    __asm__("1:\n\t"
            "ldr %[e], [%[w]], #8\n\t"
            "ldr %[o], [%[w], #-4]\n\t"
            "ldr %[x01], [%[x]], #4\n\t"
            "ldr %[x23], [%[x]]\n\t"
            "smlad %[s0], %[x01], %[e], %[s0]\n\t"
            "smlad %[s1], %[x01], %[o], %[s1]\n\t"
            "smlad %[s2], %[x23], %[e], %[s2]\n\t"
            "smlad %[s3], %[x23], %[o], %[s3]\n\t"
            "subs %[n], %[n], #1\n\t"
            "bne 1b\n\t"
            : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x] "+r"(x), [w] "+r"(words),
              [n] "+r"(pairs), [e] "=&r"(e), [o] "=&r"(o), [x01] "=&r"(x01), [x23] "=&r"(x23)
            :
            : "cc", "memory");
    return s;
}

static inline tl_row_sums_t tl_line_any(tl_row_sums_t s, const int16_t *x, const uint32_t *words, int32_t pairs,
                                        int32_t apart)
{
    const int16_t *x1 = x + apart, *x2 = x1 + apart, *x3 = x2 + apart;
    uint32_t k, a, b;
    __asm__("1:\n\t"
            "ldr %[k], [%[w]], #8\n\t"
            "ldr %[a], [%[x0]], #4\n\t"
            "ldr %[b], [%[x1]], #4\n\t"
            "smlad %[s0], %[a], %[k], %[s0]\n\t"
            "smlad %[s1], %[b], %[k], %[s1]\n\t"
            "ldr %[a], [%[x2]], #4\n\t"
            "ldr %[b], [%[x3]], #4\n\t"
            "smlad %[s2], %[a], %[k], %[s2]\n\t"
            "smlad %[s3], %[b], %[k], %[s3]\n\t"
            "subs %[n], %[n], #1\n\t"
            "bne 1b\n\t"
            : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x0] "+r"(x), [x1] "+r"(x1),
              [x2] "+r"(x2), [x3] "+r"(x3), [w] "+r"(words), [n] "+r"(pairs), [k] "=&r"(k), [a] "=&r"(a), [b] "=&r"(b)
            :
            : "cc", "memory");
    return s;
}

TL_INLINE tl_row_sums_t tl_line_four(tl_row_sums_t s, const int16_t *x, const uint32_t *words, int32_t taps,
                                     int32_t apart)
{
    return apart == 1 ? tl_line_one_apart(s, x, words, taps / 2 + 1) : tl_line_any(s, x, words, (taps + 1) / 2, apart);
}
#else
/* sums of two neighbouring outputs in one word, see tl_blocks.h */
static inline tl_row_sums_t tl_line_lanes(tl_row_sums_t s, const int16_t *x, const int8_t *w, int32_t taps)
{
    for (; taps > 0; taps--, x++, w++) {
        const int32_t weight = *w;
        tl_block_two(&s.s0, &s.s1, weight, tl_load4(x));
        tl_block_two(&s.s2, &s.s3, weight, tl_load4(x + 2));
    }
    return s;
}

static inline tl_row_sums_t tl_line_four(tl_row_sums_t s, const int16_t *x, const int8_t *w, int32_t taps,
                                         int32_t apart)
{
    for (; taps > 0; taps--, x++, w++) {
        const int32_t weight = *w;
        s.s0 = tl_wrapping_add(s.s0, (uint32_t)(weight * x[0]));
        s.s1 = tl_wrapping_add(s.s1, (uint32_t)(weight * x[apart]));
        s.s2 = tl_wrapping_add(s.s2, (uint32_t)(weight * x[2 * apart]));
        s.s3 = tl_wrapping_add(s.s3, (uint32_t)(weight * x[3 * apart]));
    }
    return s;
}
#endif

#endif
