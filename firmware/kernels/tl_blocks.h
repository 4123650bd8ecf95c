/* Four pixels x two channels at a time: the products of convolutions whose windows were gathered and widened.
 *
 * codegen/kernel_forms/blocks.py packs the weights: two channels side by side, a word of two products each (channel 0
 * and 1 of product 0, then of product 1). Of int8, a gathered value is x + 129, from 1 to 256. Two layouts hold four
 * windows:
 *
 * pairs (Cortex-M4): for each two products the pair of pixel 0, of pixel 1, 2, 3, so that a word of weights, split by
 *   SXTB16 into the pairs of its two channels, meets four words of pixels: 5 loads + 2 SXTB16 + 8 SMLAD for 16
 * products; tl_block_pairs.h does int8 with one SXTB16. lanes (elsewhere): for each product the four pixels. One 32-bit
 * multiplication makes two products, weight * (pixel 0 + pixel 1 * 2^16): the sum of whole words and the sum of upper
 * halves are kept, 3 cycles for 2 products on a Cortex-M3. An upper half is one too small where the lower product is
 * negative, which, pixels being positive, is where the weight is: `negatives` counts them. Weights are -127 at least,
 * so that nothing overflows.
 *
 * Of int16 ("wide") a gathered value is x itself, products are added up one by one where there are no pairs, and sums
 * are scaled once: the compiler has proved that they fit 32 bits.
 */
#ifndef TL_BLOCKS_H
#define TL_BLOCKS_H

#include "tl_fully_connected.h"

#if TL_DSP
#define TL_LANES_ONLY(ARRAY) NULL /* not linked where it is not read */
#else
#define TL_LANES_ONLY(ARRAY) (ARRAY)
#endif

#define TL_RAISE 129 /* brings int8 to 1..256 */

/* Output channels of a layer: int8 sums are rounded twice and shifted right, see tl_requantise_twice; of int16 sums the
 * upper half of the product with the multiplier is the output, rounded, and what is not named for it is not read */
typedef struct {
    const int8_t *weights;
    const int32_t *bias; /* of int8 with input zero point and TL_RAISE folded in */
    const int32_t *multiplier;
    const int8_t *shift;      /* int8 */
    const uint8_t *negatives; /* TL_LANES_ONLY: negative weights of a channel, in two bytes */
    int32_t words;            /* words of weights for two channels: half of the gathered products */
    uint16_t channels;
    uint8_t per_channel;     /* entries of multiplier and shift: 1 a channel, 0 one for all */
    int16_t zero, low, high; /* zero: 2 * zero point + 1 */
} tl_block_t;

/* sum * multiplier / 2^(32 + shift), rounded after each division, plus the zero point; saturated to int8; |sum| < 2^30.
 * tl_shift_right(x, shift + 1) is (((x + sign) >> shift) + 1) >> 1, and `zero` holds that 1. */
static inline int32_t tl_requantise_twice(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero)
{
#if TL_DSP
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"((uint32_t)sum << 1), "r"(multiplier));
#else
    const int64_t product = (int64_t)(int32_t)((uint32_t)sum << 1) * multiplier;
    int32_t high = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
    high += high >> 31;
    return tl_sat8_half((high >> shift) + zero);
}

/* Sums of channel a and b for pixels 0 to 3, as scalars: GCC keeps an array of them in memory. */
typedef struct {
    int32_t a0, a1, a2, a3, b0, b1, b2, b3;
} tl_block_sums_t;

/* one product of two pixels: to the sum of whole words and to the sum of upper halves */
static inline void tl_block_two(int32_t *whole, int32_t *upper, int32_t weight, uint32_t pixels)
{
    const int32_t product = (int32_t)((uint32_t)weight * pixels);
    *whole = (int32_t)((uint32_t)*whole + (uint32_t)product);
    *upper += product >> 16;
}

#if TL_DSP
/* Fifteen registers are all there are: ends of loops stay in memory. */
#define TL_BLOCK_WORD                                                                                                  \
    "ldr %[x0], [%[xp]], #16\n\t"                                                                                      \
    "ldr %[w], [%[wp]], #4\n\t"                                                                                        \
    "ldr %[x1], [%[xp], #-12]\n\t"                                                                                     \
    "sxtb16 %[t], %[w]\n\t"                                                                                            \
    "sxtb16 %[w], %[w], ror #8\n\t"                                                                                    \
    "smlad %[a0], %[t], %[x0], %[a0]\n\t"                                                                              \
    "smlad %[b0], %[w], %[x0], %[b0]\n\t"                                                                              \
    "smlad %[a1], %[t], %[x1], %[a1]\n\t"                                                                              \
    "smlad %[b1], %[w], %[x1], %[b1]\n\t"                                                                              \
    "ldr %[x0], [%[xp], #-8]\n\t"                                                                                      \
    "ldr %[x1], [%[xp], #-4]\n\t"                                                                                      \
    "smlad %[a2], %[t], %[x0], %[a2]\n\t"                                                                              \
    "smlad %[b2], %[w], %[x0], %[b2]\n\t"                                                                              \
    "smlad %[a3], %[t], %[x1], %[a3]\n\t"                                                                              \
    "smlad %[b3], %[w], %[x1], %[b3]\n\t"
#define TL_BLOCK_ONE TL_BLOCK_WORD
#define TL_BLOCK_FOUR TL_BLOCK_WORD TL_BLOCK_WORD TL_BLOCK_WORD TL_BLOCK_WORD
#define TL_BLOCK_MANY TL_BLOCK_FOUR TL_BLOCK_FOUR
#define TL_BLOCK_AT_ONCE 8 /* words in TL_BLOCK_MANY */
#elif defined(__ARM_ARCH_7M__) && !defined(TL_PORTABLE)
#define TL_BLOCK_PRODUCT(W0, W1, X0, X1)                                                                               \
    "ldr %[x0], [%[xp], #" X0 "]\n\t"                                                                                  \
    "ldr %[x1], [%[xp], #" X1 "]\n\t"                                                                                  \
    "ldrsb %[w], [%[wp], #" W0 "]\n\t"                                                                                 \
    "mul %[t], %[w], %[x0]\n\t"                                                                                        \
    "mul %[w], %[w], %[x1]\n\t"                                                                                        \
    "add %[a0], %[a0], %[t]\n\t"                                                                                       \
    "add %[a1], %[a1], %[t], asr #16\n\t"                                                                              \
    "add %[a2], %[a2], %[w]\n\t"                                                                                       \
    "add %[a3], %[a3], %[w], asr #16\n\t"                                                                              \
    "ldrsb %[w], [%[wp], #" W1 "]\n\t"                                                                                 \
    "mul %[x0], %[w], %[x0]\n\t"                                                                                       \
    "mul %[x1], %[w], %[x1]\n\t"                                                                                       \
    "add %[b0], %[b0], %[x0]\n\t"                                                                                      \
    "add %[b1], %[b1], %[x0], asr #16\n\t"                                                                             \
    "add %[b2], %[b2], %[x1]\n\t"                                                                                      \
    "add %[b3], %[b3], %[x1], asr #16\n\t"
#define TL_BLOCK_WORD(W, X0, X1, X2, X3)                                                                               \
    TL_BLOCK_PRODUCT(W "+0", W "+1", X0, X1) TL_BLOCK_PRODUCT(W "+2", W "+3", X2, X3)
/* loads that move their base are not pipelined here */
#define TL_BLOCK_ONE                                                                                                   \
    TL_BLOCK_WORD("0", "0", "4", "8", "12")                                                                            \
    "adds %[xp], #16\n\t"                                                                                              \
    "adds %[wp], #4\n\t"
#define TL_BLOCK_AT_ONCE 4
#define TL_BLOCK_MANY                                                                                                  \
    TL_BLOCK_WORD("0", "0", "4", "8", "12")                                                                            \
    TL_BLOCK_WORD("4", "16", "20", "24", "28")                                                                         \
    TL_BLOCK_WORD("8", "32", "36", "40", "44")                                                                         \
    TL_BLOCK_WORD("12", "48", "52", "56", "60")                                                                        \
    "adds %[xp], #64\n\t"                                                                                              \
    "adds %[wp], #16\n\t"
#endif
#if defined(TL_BLOCK_ONE) && TL_ALL_REGISTERS
#define TL_BLOCK_ASSEMBLY 1
#else
#define TL_BLOCK_ASSEMBLY 0
#endif

/* sums += the products of `words` words of weights with four windows */
#if TL_BLOCK_ASSEMBLY
TL_INLINE tl_block_sums_t tl_block_products(tl_block_sums_t s, const int16_t *x, const int8_t *w, int32_t words)
{
    const int8_t *const end = w + 4 * words, *const few = w + 4 * (words % TL_BLOCK_AT_ONCE);
    int32_t w_, t_, x0_, x1_;
    __asm__("ldr %[t], %[few]\n\t"
            "cmp %[wp], %[t]\n\t"
            "beq 2f\n"
            "1:\n\t" TL_BLOCK_ONE "ldr %[t], %[few]\n\t"
            "cmp %[wp], %[t]\n\t"
            "bne 1b\n"
            "2:\n\t"
            "ldr %[t], %[end]\n\t"
            "cmp %[wp], %[t]\n\t"
            "beq 4f\n"
            "3:\n\t" TL_BLOCK_MANY "ldr %[t], %[end]\n\t"
            "cmp %[wp], %[t]\n\t"
            "bne 3b\n"
            "4:\n\t"
            : [a0] "+r"(s.a0), [a1] "+r"(s.a1), [a2] "+r"(s.a2), [a3] "+r"(s.a3), [b0] "+r"(s.b0), [b1] "+r"(s.b1),
              [b2] "+r"(s.b2), [b3] "+r"(s.b3), [xp] "+r"(x), [wp] "+r"(w), [w] "=&r"(w_), [t] "=&r"(t_),
              [x0] "=&r"(x0_), [x1] "=&r"(x1_)
            : [end] "m"(end), [few] "m"(few)
            : "cc", "memory");
    return s;
}
#elif TL_DSP
TL_INLINE tl_block_sums_t tl_block_products(tl_block_sums_t s, const int16_t *x, const int8_t *w, int32_t words)
{
    for (; words > 0; words--, x += 8, w += 4) {
        const uint32_t weights = tl_load4(w), a = tl_sxtb16(weights), b = tl_sxtb16_ror8(weights);
        s.a0 = tl_smlad(a, tl_load4(x), s.a0);
        s.b0 = tl_smlad(b, tl_load4(x), s.b0);
        s.a1 = tl_smlad(a, tl_load4(x + 2), s.a1);
        s.b1 = tl_smlad(b, tl_load4(x + 2), s.b1);
        s.a2 = tl_smlad(a, tl_load4(x + 4), s.a2);
        s.b2 = tl_smlad(b, tl_load4(x + 4), s.b2);
        s.a3 = tl_smlad(a, tl_load4(x + 6), s.a3);
        s.b3 = tl_smlad(b, tl_load4(x + 6), s.b3);
    }
    return s;
}
#else
TL_INLINE tl_block_sums_t tl_block_products(tl_block_sums_t s, const int16_t *x, const int8_t *w, int32_t words)
{
    for (int32_t k = 2 * words; k > 0; k--, x += 4, w += 2) {
        const uint32_t first = tl_load4(x), second = tl_load4(x + 2);
        tl_block_two(&s.a0, &s.a1, w[0], first);
        tl_block_two(&s.a2, &s.a3, w[0], second);
        tl_block_two(&s.b0, &s.b1, w[1], first);
        tl_block_two(&s.b2, &s.b3, w[1], second);
    }
    return s;
}
#endif

/* the same for int16 values */
#if TL_DSP
#define tl_block_products_wide tl_block_products
#elif TL_BLOCK_ASSEMBLY
#define TL_WIDE_PIXELS(X0, X1, S0, S1, S2, S3)                                                                         \
    "mla %[" S0 "], %[w0], %[x0], %[" S0 "]\n\t"                                                                       \
    "mla %[" S2 "], %[w1], %[x0], %[" S2 "]\n\t"                                                                       \
    "mla %[" S1 "], %[w0], %[x1], %[" S1 "]\n\t"                                                                       \
    "mla %[" S3 "], %[w1], %[x1], %[" S3 "]\n\t"
#define TL_WIDE_PRODUCT(W0, W1, X0, X1, X2, X3)                                                                        \
    "ldrsb %[w0], [%[wp], #" W0 "]\n\t"                                                                                \
    "ldrsb %[w1], [%[wp], #" W1 "]\n\t"                                                                                \
    "ldrsh %[x0], [%[xp], #" X0 "]\n\t"                                                                                \
    "ldrsh %[x1], [%[xp], #" X1                                                                                        \
    "]\n\t" TL_WIDE_PIXELS("x0", "x1", "a0", "a1", "b0", "b1") "ldrsh %[x0], [%[xp], #" X2 "]\n\t"                     \
                                                               "ldrsh %[x1], [%[xp], #" X3 "]\n\t" TL_WIDE_PIXELS(     \
                                                                   "x0", "x1", "a2", "a3", "b2", "b3")
TL_INLINE tl_block_sums_t tl_block_products_wide(tl_block_sums_t s, const int16_t *x, const int8_t *w, int32_t words)
{
    const int8_t *const end = w + 4 * words;
    int32_t w0_, w1_, x0_, x1_;
    __asm__("1:\n\t" TL_WIDE_PRODUCT("0", "1", "0", "2", "4", "6")
                TL_WIDE_PRODUCT("2", "3", "8", "10", "12", "14") "ldr %[w0], %[end]\n\t"
                                                                 "adds %[xp], #16\n\t"
                                                                 "adds %[wp], #4\n\t"
                                                                 "cmp %[wp], %[w0]\n\t"
                                                                 "bne 1b\n\t"
            : [a0] "+r"(s.a0), [a1] "+r"(s.a1), [a2] "+r"(s.a2), [a3] "+r"(s.a3), [b0] "+r"(s.b0), [b1] "+r"(s.b1),
              [b2] "+r"(s.b2), [b3] "+r"(s.b3), [xp] "+r"(x), [wp] "+r"(w), [w0] "=&r"(w0_), [w1] "=&r"(w1_),
              [x0] "=&r"(x0_), [x1] "=&r"(x1_)
            : [end] "m"(end)
            : "cc", "memory");
    return s;
}
#else
TL_INLINE tl_block_sums_t tl_block_products_wide(tl_block_sums_t s, const int16_t *x, const int8_t *w, int32_t words)
{
    for (int32_t k = 2 * words; k > 0; k--, x += 4, w += 2) {
        s.a0 = tl_wrapping_add(s.a0, (uint32_t)(w[0] * x[0]));
        s.a1 = tl_wrapping_add(s.a1, (uint32_t)(w[0] * x[1]));
        s.a2 = tl_wrapping_add(s.a2, (uint32_t)(w[0] * x[2]));
        s.a3 = tl_wrapping_add(s.a3, (uint32_t)(w[0] * x[3]));
        s.b0 = tl_wrapping_add(s.b0, (uint32_t)(w[1] * x[0]));
        s.b1 = tl_wrapping_add(s.b1, (uint32_t)(w[1] * x[1]));
        s.b2 = tl_wrapping_add(s.b2, (uint32_t)(w[1] * x[2]));
        s.b3 = tl_wrapping_add(s.b3, (uint32_t)(w[1] * x[3]));
    }
    return s;
}
#endif

#if !TL_DSP
static inline int32_t tl_negatives(const tl_block_t *b, int32_t channel)
{
    return b->negatives[2 * channel] | b->negatives[2 * channel + 1] << 8;
}

/* what the sum of whole words is, whose lower halves are wanted */
static inline int32_t tl_lower(int32_t whole, int32_t upper)
{
    return (int32_t)((uint32_t)whole - ((uint32_t)upper << 16));
}
#endif

/* an output of int8, or of int16 where `wide`, at y */
TL_INLINE void tl_put_output(uint8_t *y, int32_t sum, int32_t multiplier, int32_t shift, int32_t zero, int32_t wide)
{
    if (wide) {
        const int16_t output = (int16_t)tl_sat16(tl_high_rounded(sum, multiplier, 0));
        __builtin_memcpy(y, &output, sizeof output);
    } else {
        *(int8_t *)y = (int8_t)tl_requantise_twice(sum, multiplier, shift, zero);
    }
}

/* bytes from the place of pixel 0 in y to those of pixel 1, 2 and 3; a pixel that is not there is written to where
 * pixel 0 goes, before it */
typedef struct {
    int32_t at1, at2, at3;
} tl_block_places_t;

/* All output channels of four gathered pixels */
TL_INLINE void tl_block_body(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *outputs,
                             int32_t wide)
{
    const int32_t words = block->words, zero = block->zero, channels = block->channels, each = block->per_channel;
    const int32_t *bias = block->bias, *multiplier = block->multiplier;
    const int8_t *w = block->weights, *shift = block->shift;
    const int32_t bytes = wide ? 2 : 1;
    uint8_t *y = outputs;
    for (int32_t left = channels; left > 0; left -= 2) {
        const int32_t next = left > 1; /* likewise the second channel */
        const int32_t bias_a = bias[0], bias_b = bias[next];
        tl_block_sums_t s = {bias_a, bias_a, bias_a, bias_a, bias_b, bias_b, bias_b, bias_b};
        if (wide) {
            s = tl_block_products_wide(s, x, w, words);
        } else {
#if TL_DSP
            s = tl_block_products(s, x, w, words);
#else
            const int32_t channel = channels - left;
            s.a1 = s.a3 = bias_a + tl_negatives(block, channel);
            s.b1 = s.b3 = bias_b + tl_negatives(block, channel + next);
            s.a0 = s.a2 = (int32_t)((uint32_t)bias_a * 0x10001u);
            s.b0 = s.b2 = (int32_t)((uint32_t)bias_b * 0x10001u);
            s = tl_block_products(s, x, w, words);
            s.a0 = tl_lower(s.a0, s.a1);
            s.a2 = tl_lower(s.a2, s.a3);
            s.b0 = tl_lower(s.b0, s.b1);
            s.b2 = tl_lower(s.b2, s.b3);
#endif
        }
        w += 4 * words;
        uint8_t *const second = y + next * bytes;
        int32_t m = multiplier[next & each], right = wide ? 0 : shift[next & each];
        tl_put_output(second + at.at3, s.b3, m, right, zero, wide);
        tl_put_output(second + at.at2, s.b2, m, right, zero, wide);
        tl_put_output(second + at.at1, s.b1, m, right, zero, wide);
        tl_put_output(second, s.b0, m, right, zero, wide);
        m = *multiplier;
        right = wide ? 0 : *shift;
        tl_put_output(y + at.at3, s.a3, m, right, zero, wide);
        tl_put_output(y + at.at2, s.a2, m, right, zero, wide);
        tl_put_output(y + at.at1, s.a1, m, right, zero, wide);
        tl_put_output(y, s.a0, m, right, zero, wide);
        y += 2 * bytes;
        bias += 2;
        multiplier += 2 * each;
        if (!wide) {
            shift += 2 * each;
        }
    }
}

TL_SHARED void tl_block_outputs_s16(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *y)
{
    tl_block_body(block, x, at, y, 1);
}

/* Where value `at` of a run of `size` lies: of four, the middle two are swapped, as SXTB16 makes pairs; the rest of a
 * run is in order. Runs are padded to an even size. */
static inline int32_t tl_gathered(int32_t at, int32_t size)
{
    const int32_t middle = at < (size & ~3) && ((at + 1) & 2) != 0;
    const int32_t slot = middle ? at ^ 3 : at;
#if TL_DSP
    return (slot >> 1) * 8 + (slot & 1);
#else
    return slot * 4;
#endif
}

/* one pixel's place in the first pair or product */
static inline int16_t *tl_pixel_place(int16_t *gathered, int32_t pixel)
{
    return gathered + (TL_DSP ? 2 * pixel : pixel);
}

/* four raised values as they lie in a word of the image */
static inline void tl_gather_word(int16_t *to, const int8_t *x)
{
#if TL_DSP
    const uint32_t word = tl_load4(x);
    uint32_t even, odd;
    __asm__("sxtab16 %0, %1, %2" : "=r"(even) : "r"(TL_RAISE * 0x10001), "r"(word));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd) : "r"(TL_RAISE * 0x10001), "r"(word));
    __builtin_memcpy(to, &even, sizeof even);
    __builtin_memcpy(to + 8, &odd, sizeof odd);
#else
    to[0] = (int16_t)(x[0] + TL_RAISE);
    to[4] = (int16_t)(x[2] + TL_RAISE);
    to[8] = (int16_t)(x[1] + TL_RAISE);
    to[12] = (int16_t)(x[3] + TL_RAISE);
#endif
}

/* runs that lie in the image as a whole, each `apart` values after the one before it */
TL_SHARED void tl_gather_whole(int16_t *to, const int8_t *from, int32_t size, int32_t runs, int32_t apart)
{
    for (int16_t *next = to; runs > 0; runs--, from += apart) {
        const int8_t *x = from;
        int32_t left = size;
        to = next;
        next += (size + 1) / 2 * 8;
#if TL_DSP
        for (; left >= 16; left -= 16, to += 64) {
            uint32_t a, b, c, d, t;
            __asm__(
                "ldr %[a], [%[x]], #16\n\tldr %[b], [%[x], #-12]\n\tldr %[c], [%[x], #-8]\n\tldr %[d], [%[x], #-4]\n\t"
                "sxtab16 %[t], %[r], %[a]\n\tsxtab16 %[a], %[r], %[a], ror #8\n\t"
                "str %[t], [%[to]]\n\tstr %[a], [%[to], #16]\n\t"
                "sxtab16 %[t], %[r], %[b]\n\tsxtab16 %[b], %[r], %[b], ror #8\n\t"
                "str %[t], [%[to], #32]\n\tstr %[b], [%[to], #48]\n\t"
                "sxtab16 %[t], %[r], %[c]\n\tsxtab16 %[c], %[r], %[c], ror #8\n\t"
                "str %[t], [%[to], #64]\n\tstr %[c], [%[to], #80]\n\t"
                "sxtab16 %[t], %[r], %[d]\n\tsxtab16 %[d], %[r], %[d], ror #8\n\t"
                "str %[t], [%[to], #96]\n\tstr %[d], [%[to], #112]"
                : [x] "+r"(x), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [t] "=&r"(t)
                : [to] "r"(to), [r] "r"(TL_RAISE * 0x10001)
                : "memory");
        }
#endif
        for (; left >= 4; left -= 4, x += 4, to += 16) {
            tl_gather_word(to, x);
        }
        if (left > 0) {
            to[0] = (int16_t)(x[0] + TL_RAISE);
        }
        if (left > 1) {
            to[TL_DSP ? 1 : 4] = (int16_t)(x[1] + TL_RAISE);
        }
        if (left > 2) {
            to[8] = (int16_t)(x[2] + TL_RAISE);
        }
    }
}

/* the same of int16, which lie in order */
TL_SHARED void tl_gather_whole_s16(int16_t *to, const int16_t *from, int32_t size, int32_t runs, int32_t apart)
{
    for (int16_t *next = to; runs > 0; runs--, from += apart) {
        const int16_t *x = from;
        to = next;
        next += (size + 1) / 2 * 8;
#if TL_DSP
        int32_t left = size;
        for (; left >= 8; left -= 8, x += 8, to += 32) {
            const uint32_t x01 = tl_load4(x), x23 = tl_load4(x + 2), x45 = tl_load4(x + 4), x67 = tl_load4(x + 6);
            __builtin_memcpy(to, &x01, sizeof x01);
            __builtin_memcpy(to + 8, &x23, sizeof x23);
            __builtin_memcpy(to + 16, &x45, sizeof x45);
            __builtin_memcpy(to + 24, &x67, sizeof x67);
        }
        for (; left >= 2; left -= 2, x += 2, to += 8) {
            const uint32_t pair = tl_load4(x);
            __builtin_memcpy(to, &pair, sizeof pair);
        }
        if (left > 0) {
            *to = *x;
        }
#else
        for (int32_t i = 0; i < size; i++) {
            to[4 * i] = x[i];
        }
#endif
    }
}

/* the same from value `from` of an image of int8, or of int16 where `wide` */
TL_INLINE void tl_gather_runs(int16_t *to, const void *x, int32_t from, int32_t size, int32_t runs, int32_t apart,
                              int32_t wide)
{
    if (wide) {
        tl_gather_whole_s16(to, (const int16_t *)x + from, size, runs, apart);
    } else {
        tl_gather_whole(to, (const int8_t *)x + from, size, runs, apart);
    }
}

/* an even number of values that are all `value` */
TL_SHARED void tl_gather_fill(int16_t *to, int32_t size, int32_t value)
{
    const uint32_t two = (uint32_t)value * 0x10001u;
    for (; size > 0; size -= 2, to += 8) {
#if TL_DSP
        __builtin_memcpy(to, &two, sizeof two);
#else
        to[0] = to[4] = (int16_t)two;
#endif
    }
}

/* values first..last of a run, of which value 0 would lie at x[from]; the others are `outside`, raised if values are */
TL_INLINE void tl_gather_part(int16_t *to, const void *x, int32_t from, int32_t first, int32_t last, int32_t size,
                              int32_t outside, int32_t wide)
{
    const int32_t step = wide ? 2 : 4; /* where a run may begin in another */
    if (first % step == 0 && (last % step == 0 || last == size)) {
        tl_gather_fill(to, first, outside);
        tl_gather_runs(to + 4 * first, x, from + first, last - first, 1, 0, wide);
        tl_gather_fill(to + 4 * last, size - last, outside);
        return;
    }
    tl_gather_fill(to, size, outside);
    for (int32_t i = first; i < last; i++) {
        if (wide) {
            to[TL_DSP ? (i >> 1) * 8 + (i & 1) : 4 * i] = ((const int16_t *)x)[from + i];
        } else {
            to[tl_gathered(i, size)] = (int16_t)(((const int8_t *)x)[from + i] + TL_RAISE);
        }
    }
}

#if TL_DSP
/* four outputs; SSUB8 marks the bytes that are not less, SEL takes those */
static inline uint32_t tl_not_below(uint32_t four, uint32_t lows)
{
    uint32_t differences;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+r"(four), "=&r"(differences) : "r"(lows));
    return four;
}

static inline uint32_t tl_within(uint32_t four, uint32_t lows, uint32_t highs)
{
    uint32_t differences;
    four = tl_not_below(four, lows);
    __asm__("ssub8 %1, %2, %0\n\tsel %0, %0, %2" : "+r"(four), "=&r"(differences) : "r"(highs));
    return four;
}
#endif

/* limits of an activation on outputs that are saturated already; mostly there is no upper one */
TL_SHARED void tl_within_limits_s8(int8_t *y, int32_t size, int32_t low, int32_t high)
{
    int32_t left = size;
#if TL_DSP
    const uint32_t lows = ((uint32_t)low & 0xFFu) * 0x01010101u, highs = ((uint32_t)high & 0xFFu) * 0x01010101u;
    for (; left >= 16 && high == INT8_MAX; left -= 16, y += 16) {
        uint32_t a = tl_load4(y), b = tl_load4(y + 4), c = tl_load4(y + 8), d = tl_load4(y + 12);
        a = tl_not_below(a, lows);
        b = tl_not_below(b, lows);
        c = tl_not_below(c, lows);
        d = tl_not_below(d, lows);
        __builtin_memcpy(y, &a, sizeof a);
        __builtin_memcpy(y + 4, &b, sizeof b);
        __builtin_memcpy(y + 8, &c, sizeof c);
        __builtin_memcpy(y + 12, &d, sizeof d);
    }
    for (; left >= 4; left -= 4, y += 4) {
        const uint32_t four = tl_within(tl_load4(y), lows, highs);
        __builtin_memcpy(y, &four, sizeof four);
    }
#else
    for (; left >= 4 && high == INT8_MAX; left -= 4, y += 4) {
        const int32_t a = y[0], b = y[1], c = y[2], d = y[3];
        y[0] = (int8_t)(a < low ? low : a);
        y[1] = (int8_t)(b < low ? low : b);
        y[2] = (int8_t)(c < low ? low : c);
        y[3] = (int8_t)(d < low ? low : d);
    }
#endif
    for (; left > 0; left--, y++) {
        *y = (int8_t)tl_clamp(*y, low, high);
    }
}

static inline void tl_limits_s8(int8_t *y, int32_t size, int32_t low, int32_t high)
{
    if (low > INT8_MIN || high < INT8_MAX) {
        tl_within_limits_s8(y, size, low, high);
    }
}

static inline void tl_limits_s16(int16_t *y, int32_t size, int32_t low, int32_t high)
{
    if (low > INT16_MIN || high < INT16_MAX) {
        for (int32_t i = 0; i < size; i++) {
            y[i] = (int16_t)tl_clamp(y[i], low, high);
        }
    }
}

#endif
