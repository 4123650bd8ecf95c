/* Four pixels x two channels of int8 at a time, sums and scaling in one piece: GCC would keep half of the sums in
 * memory.
 *
 * On the Cortex-M4 a half-word of weights is a + 256 * b, of channel a and b (TL_TWO_CHANNELS). One SMLAD of two such
 * halves as they lie there adds up the sums low + 256 * high, another after SXTB16 adds up low alone; the difference is
 * 256 * high, exact as long as high keeps within 24 bits, which the compiler has proved. 5 loads, 1 SXTB16 and 8 SMLAD
 * make 16 products. Sums are doubled for SMMULR. SMMLSR shifts right, rounds and adds the zero point in one. The
 * Cortex-M3 has the lanes of tl_blocks.h; tl_block_lanes.h.
 */
#ifndef TL_BLOCK_PAIRS_H
#define TL_BLOCK_PAIRS_H

#include "tl_blocks.h"

#if TL_DSP || TL_BLOCK_ASSEMBLY
/* pairs of channels that lie side by side in the arrays, and where their outputs go */
typedef struct {
    const int8_t *weights, *shift;
    const int32_t *bias, *multiplier;
    int8_t *y;
#if !TL_DSP
    const uint8_t *negatives;
#endif
    int32_t pairs, words, zero; /* zero: as in tl_block_t */
} tl_pairs_t;

/* end of a pass over four pixels and two channels: its eight outputs, and the next channels */
#define TL_BLOCK_STORES                                                                                                \
    "ldr %[t], %[y]\n\t"                                                                                               \
    "ldr %[x0], %[at1]\n\t"                                                                                            \
    "ldr %[x1], %[at2]\n\t"                                                                                            \
    "ldr %[xp], %[at3]\n\t"                                                                                            \
    "ldr %[w], %[last]\n\t"                                                                                            \
    "add %[xp], %[t]\n\t"                                                                                              \
    "add %[x1], %[t]\n\t"                                                                                              \
    "add %[x0], %[t]\n\t"                                                                                              \
    "strb %[a3], [%[xp]]\n\t"                                                                                          \
    "strb %[b3], [%[xp], #1]\n\t"                                                                                      \
    "strb %[a2], [%[x1]]\n\t"                                                                                          \
    "strb %[b2], [%[x1], #1]\n\t"                                                                                      \
    "strb %[a1], [%[x0]]\n\t"                                                                                          \
    "strb %[b1], [%[x0], #1]\n\t"                                                                                      \
    "strb %[b0], [%[t], #1]\n\t"                                                                                       \
    "strb %[a0], [%[t]], #2\n\t"                                                                                       \
    "str %[t], %[y]\n\t"                                                                                               \
    "cmp %[wp], %[w]\n\t"                                                                                              \
    "bne.w 1b\n\t"

#if !TL_DSP
#include "tl_block_lanes.h"
#elif TL_BLOCK_ASSEMBLY
/* The instructions are all of four bytes: the loop is entered in its midst where words - 1 is no multiple of 8, by a
 * low register: `mov pc, lr` would look like a return. Eight words: sixteen leave the 1,024 bytes of a code cache. All
 * fourteen registers are taken; what is needed once a pair stays in memory. */
#define TL_PAIRS_LOADS                                                                                                 \
    "ldr.w %[x0], [%[xp]], #16\n\t"                                                                                    \
    "ldr.w %[w], [%[wp]], #4\n\t"                                                                                      \
    "ldr.w %[x1], [%[xp], #-12]\n\t"
#define TL_PAIRS_TWO(PRODUCT, I, J, END)                                                                               \
    PRODUCT("b" I, "w", "x0")                                                                                          \
    PRODUCT("a" I, "t", "x0")                                                                                          \
    PRODUCT("b" J, "w", "x1")                                                                                          \
    PRODUCT("a" J, "t", "x1")
#define TL_PAIRS_PRODUCTS(PRODUCT)                                                                                     \
    "sxtb16.w %[t], %[w]\n\t" TL_PAIRS_TWO(PRODUCT, "0",                                                               \
                                           "1", ) "ldr.w %[x0], [%[xp], #-8]\n\t"                                      \
                                                  "ldr.w %[x1], [%[xp], #-4]\n\t" TL_PAIRS_TWO(PRODUCT, "2", "3", )
#define TL_PAIRS_FIRST(SUM, W, X) "smuad %[" SUM "], %[" W "], %[" X "]\n\t"
#define TL_PAIRS_ADD(SUM, W, X) "smlad %[" SUM "], %[" W "], %[" X "], %[" SUM "]\n\t"
#define TL_PAIRS_WORD TL_PAIRS_LOADS TL_PAIRS_PRODUCTS(TL_PAIRS_ADD)
#define TL_PAIRS_AT_ONCE 8
#define TL_PAIRS_WORD_BYTES 56
#define TL_PAIRS_LOOP_BYTES (TL_PAIRS_AT_ONCE * TL_PAIRS_WORD_BYTES + 12)
#define TL_PAIRS_HIGH(I)                                                                                               \
    "sub %[b" I "], %[b" I "], %[a" I "]\n\tadd %[b" I "], %[w], %[b" I "], asr #7\n\t"                                \
    "add %[a" I "], %[x0], %[a" I "], lsl #1\n\t"
#define TL_PAIRS_OUTPUT(S, M, SHIFT)                                                                                   \
    "smmulr %[" S "], %[" S "], %[" M "]\n\tadd %[" S "], %[" S "], %[" S "], asr #31\n\t"                             \
    "smmlsr %[" S "], %[" S "], %[" SHIFT "], %[xp]\n\tssat %[" S "], #8, %[" S "]\n\t"
#define TL_PAIRS_OUTPUTS(I) TL_PAIRS_OUTPUT("a" I, "t", "x0") TL_PAIRS_OUTPUT("b" I, "w", "x1")

TL_INLINE void tl_pairs_run(const tl_pairs_t *p, const int16_t *x, tl_block_places_t at)
{
    const int8_t *w = p->weights, *const last = w + 4 * p->pairs * p->words;
    const int16_t *const end = x + 8 * p->words;
    const int32_t zero = p->zero >> 1;
    /* volatile in place of operands that are read and written: GCC takes 30 of them, and those count twice */
    const int32_t *volatile bias = p->bias, *volatile multiplier = p->multiplier;
    const int8_t *volatile shift = p->shift;
    int8_t *volatile y = p->y;
    uint32_t entry;
    int32_t a0, a1, a2, a3, b0, b1, b2, b3, x_, w_, x0_, x1_;
    int32_t t = p->words == 1 ? TL_PAIRS_LOOP_BYTES : ((1 - p->words) & (TL_PAIRS_AT_ONCE - 1)) * TL_PAIRS_WORD_BYTES;
    __asm__ volatile(
        "adr %[x0], 2f\n\t"
        "add %[t], %[x0]\n\t"
        "str %[t], %[entry]\n"
        "1:\n\t"
        "ldr %[xp], %[x]\n\t"
        "ldr %[w], [%[wp]], #4\n\t"
        "ldr %[x0], [%[xp]], #16\n\t"
        "ldr %[x1], [%[xp], #-12]\n\t" TL_PAIRS_PRODUCTS(
            TL_PAIRS_FIRST) "ldr %[w], %[entry]\n\t"
                            "mov pc, %[w]\n\t"
                            ".p2align 3\n"
                            "2:\n\t" TL_PAIRS_WORD TL_PAIRS_WORD TL_PAIRS_WORD TL_PAIRS_WORD TL_PAIRS_WORD TL_PAIRS_WORD
                                TL_PAIRS_WORD TL_PAIRS_LOADS "ldr.w %[t], %[end]\n\t"
                            "cmp.w %[xp], %[t]\n\t" TL_PAIRS_PRODUCTS(
                                TL_PAIRS_ADD) "bne.w 2b\n\t"
                                              "ldr %[t], %[bias]\n\t"
                                              "ldr %[x1], %[multiplier]\n\t"
                                              "ldr %[xp], %[shift]\n\t"
                                              "ldr %[x0], [%[t]], #4\n\t"
                                              "ldr %[w], [%[t]], #4\n\t"
                                              "str %[t], %[bias]\n\t"
                                              "lsl %[x0], %[x0], #1\n\t"
                                              "lsl %[w], %[w], #1\n\t" TL_PAIRS_HIGH("0") TL_PAIRS_HIGH("1")
                                                  TL_PAIRS_HIGH("2")
                                                      TL_PAIRS_HIGH("3") "ldr %[t], [%[x1]], #4\n\t"
                                                                         "ldr %[w], [%[x1]], #4\n\t"
                                                                         "ldrsb %[x0], [%[xp]], #1\n\t"
                                                                         "str %[x1], %[multiplier]\n\t"
                                                                         "ldrsb %[x1], [%[xp]], #1\n\t"
                                                                         "str %[xp], %[shift]\n\t"
                                                                         "mov %[xp], #0x80000000\n\t"
                                                                         "asr %[x0], %[xp], %[x0]\n\t"
                                                                         "asr %[x1], %[xp], %[x1]\n\t"
                                                                         "ldr %[xp], %[zero]\n\t" TL_PAIRS_OUTPUTS("0")
                                                                             TL_PAIRS_OUTPUTS("1") TL_PAIRS_OUTPUTS("2")
                                                                                 TL_PAIRS_OUTPUTS("3") TL_BLOCK_STORES
        : [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), [a3] "=&r"(a3), [b0] "=&r"(b0), [b1] "=&r"(b1),
          [b2] "=&r"(b2), [b3] "=&r"(b3), [xp] "=&r"(x_), [wp] "+r"(w), [w] "=&l"(w_), [t] "+r"(t), [x0] "=&r"(x0_),
          [x1] "=&r"(x1_), [entry] "=m"(entry)
        : [bias] "m"(bias), [multiplier] "m"(multiplier), [shift] "m"(shift), [y] "m"(y), [x] "m"(x), [end] "m"(end),
          [last] "m"(last), [zero] "m"(zero), [at1] "m"(at.at1), [at2] "m"(at.at2), [at3] "m"(at.at3)
        : "cc", "memory");
}
#else
TL_INLINE int8_t tl_pairs_output(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero)
{
    return (int8_t)tl_requantise_twice(sum, multiplier, shift, zero);
}

TL_INLINE void tl_pairs_run(const tl_pairs_t *p, const int16_t *x, tl_block_places_t at)
{
    const int32_t place[4] = {0, at.at1, at.at2, at.at3};
    const int8_t *w = p->weights;
    for (int32_t pair = 0; pair < 2 * p->pairs; pair += 2, w += 4 * p->words) {
        for (int32_t pixel = 3; pixel >= 0; pixel--) {
            int32_t low = 0, both = 0;
            for (int32_t k = 0; k < p->words; k++) {
                const uint32_t weights = tl_load4(w + 4 * k), values = tl_load4(x + 8 * k + 2 * pixel);
                low = tl_smlad(tl_sxtb16(weights), values, low);
                both = tl_smlad(weights, values, both);
            }
            const int32_t high = tl_wrapping_add(both, 0u - (uint32_t)low) >> 8;
            int8_t *const y = p->y + place[pixel] + pair;
            y[0] = tl_pairs_output(p->bias[pair] + low, p->multiplier[pair], p->shift[pair], p->zero);
            y[1] = tl_pairs_output(p->bias[pair + 1] + high, p->multiplier[pair + 1], p->shift[pair + 1], p->zero);
        }
    }
}
#endif

/* All output channels of four gathered pixels. A last channel alone, and channels that share their scale, are a pair
 * of copies. */
TL_SHARED void tl_block_outputs_s8(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *outputs)
{
    int8_t *y = outputs;
    const int32_t each = block->per_channel;
    int32_t bias[2], multiplier[2];
    int8_t shift[2], alone[8];
#if !TL_DSP
    uint8_t negatives[4];
#endif
    for (int32_t channel = 0, count; channel < block->channels; channel += count) {
        const int32_t left = block->channels - channel;
        const tl_block_places_t apart = {2, 4, 6};
        tl_pairs_t p = {
            block->weights + 2 * channel * block->words,
            block->shift + each * channel,
            block->bias + channel,
            block->multiplier + each * channel,
            y + channel,
#if !TL_DSP
            block->negatives + 2 * channel,
#endif
            left / 2,
            block->words,
            block->zero
        };
        count = left & ~1;
        if (left == 1 || !each) {
            const int32_t next = left > 1;
            count = 1 + next;
            bias[0] = p.bias[0];
            bias[1] = p.bias[next];
            multiplier[0] = multiplier[1] = *p.multiplier;
            shift[0] = shift[1] = *p.shift;
            p.bias = bias;
            p.multiplier = multiplier;
            p.shift = shift;
#if !TL_DSP
            for (int32_t i = 0; i < 4; i++) {
                negatives[i] = p.negatives[next ? i : i % 2];
            }
            p.negatives = negatives;
#endif
            p.pairs = 1;
            p.y = left == 1 ? alone : p.y;
        }
        tl_pairs_run(&p, x, left == 1 ? apart : at);
        if (left == 1) {
            y[channel + at.at3] = alone[6];
            y[channel + at.at2] = alone[4];
            y[channel + at.at1] = alone[2];
            y[channel] = alone[0];
        }
    }
}
#else
TL_SHARED void tl_block_outputs_s8(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *outputs)
{
    tl_block_body(block, x, at, outputs, 0);
}
#endif

#if TL_DSP
/* the same of layers whose sums may pass 24 bits: weights as they are */
TL_SHARED void tl_block_outputs_deep(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *outputs)
{
    tl_block_body(block, x, at, outputs, 0);
}
#else
#define tl_block_outputs_deep tl_block_outputs_s8
#endif

/* int8, int8 whose sums may pass 24 bits, int16 */
enum { TL_S8, TL_DEEP, TL_S16 };

TL_INLINE void tl_block_outputs(const tl_block_t *block, const int16_t *x, tl_block_places_t at, void *y,
                                int32_t element)
{
    if (element == TL_S16) {
        tl_block_outputs_s16(block, x, at, y);
    } else if (element == TL_DEEP) {
        tl_block_outputs_deep(block, x, at, y);
    } else {
        tl_block_outputs_s8(block, x, at, y);
    }
}

#endif
