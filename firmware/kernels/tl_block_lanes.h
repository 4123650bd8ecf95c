/* tl_pairs_run of tl_block_pairs.h on the Cortex-M3: products in lanes, see tl_blocks.h. A word of weights is 36 cycles
 * for 16 products: 8 loads, 8 MUL and 16 additions in groups of loads that 14 registers allow.
 */
#ifndef TL_BLOCK_LANES_H
#define TL_BLOCK_LANES_H

/* the loop is entered in its midst where the words are no multiple of 8: all instructions are of four bytes */
#define TL_LANES_PIXELS(W, P, X, WHOLE, UPPER)                                                                         \
    "mul %[" P "], %[" W "], %[" X "]\n\t"                                                                             \
    "add.w %[" WHOLE "], %[" WHOLE "], %[" P "]\n\t"                                                                   \
    "add.w %[" UPPER "], %[" UPPER "], %[" P "], asr #16\n\t"
#define TL_LANES_PRODUCT(W0, W1, X0, X1, MORE)                                                                         \
    "ldr.w %[x0], [%[xp], #" X0 "]\n\t"                                                                                \
    "ldr.w %[x1], [%[xp], #" X1 "]\n\t"                                                                                \
    "ldrsb.w %[w], [%[wp], #" W0 "]\n\t" TL_LANES_PIXELS("w", "t", "x0", "a0", "a1")                                   \
        TL_LANES_PIXELS("w", "w", "x1", "a2", "a3") "ldrsb.w %[w], [%[wp], #" W1                                       \
                                                    "]\n\t" MORE TL_LANES_PIXELS("w", "x0", "x0", "b0", "b1")          \
                                                        TL_LANES_PIXELS("w", "x1", "x1", "b2", "b3")
#define TL_LANES_WORD(W, X, MORE)                                                                                      \
    TL_LANES_PRODUCT(W "+0", W "+1", X "+0", X "+4", "")                                                               \
    TL_LANES_PRODUCT(W "+2", W "+3", X "+8", X "+12", MORE)
#define TL_LANES_AT_ONCE 8
#define TL_LANES_WORD_BYTES (2 * 16 * 4)
#define TL_LANES_WORDS                                                                                                 \
    TL_LANES_WORD("0", "0", "")                                                                                        \
    TL_LANES_WORD("4", "16", "")                                                                                       \
    TL_LANES_WORD("8", "32", "")                                                                                       \
    TL_LANES_WORD("12", "48", "")                                                                                      \
    TL_LANES_WORD("16", "64", "")                                                                                      \
    TL_LANES_WORD("20", "80", "") TL_LANES_WORD("24", "96", "") TL_LANES_WORD("28", "112", "ldr.w %[t], %[end]\n\t")
/* as tl_requantise_twice; t: multiplier, x0: shift, xp: zero */
#define TL_LANES_OUTPUT(S)                                                                                             \
    "lsl %[" S "], %[" S "], #1\n\tsmull %[w], %[" S "], %[" S "], %[t]\n\tadd %[" S "], %[" S "], %[w], lsr #31\n\t"  \
    "add %[" S "], %[" S "], %[" S "], asr #31\n\tasr %[" S "], %[" S "], %[x0]\n\tadd %[" S "], %[" S "], %[xp]\n\t"  \
    "ssat %[" S "], #8, %[" S "], asr #1\n\t"

TL_INLINE void tl_pairs_run(const tl_pairs_t *p, const int16_t *x, tl_block_places_t at)
{
    const int32_t skipped = -p->words & (TL_LANES_AT_ONCE - 1);
    const int8_t *w = p->weights, *const last = w + 4 * p->pairs * p->words;
    const int16_t *const begin = x - 8 * skipped, *const end = x + 8 * p->words;
    const int32_t zero = p->zero, skipped_weights = 4 * skipped;
    /* volatile in place of operands that are read and written: GCC takes 30 of them, and those count twice */
    const int32_t *volatile bias = p->bias, *volatile multiplier = p->multiplier;
    const int8_t *volatile shift = p->shift;
    const uint8_t *volatile negatives = p->negatives;
    int8_t *volatile y = p->y;
    volatile uint32_t entry = (uint32_t)(skipped * TL_LANES_WORD_BYTES);
    int32_t a0, a1, a2, a3, b0, b1, b2, b3, x_, w_, t_, x0_, x1_;
    __asm__ volatile(
        "adr %[x0], 2f\n\t"
        "ldr %[t], %[entry]\n\t"
        "add %[t], %[x0]\n\t"
        "str %[t], %[entry]\n"
        "1:\n\t"
        "ldr %[t], %[bias]\n\t"
        "ldr %[xp], %[negatives]\n\t"
        "ldr %[a0], [%[t]]\n\t"
        "ldr %[b0], [%[t], #4]\n\t"
        "ldrh %[a1], [%[xp]]\n\t"
        "ldrh %[b1], [%[xp], #2]\n\t"
        "ldr %[w], %[skipped]\n\t"
        "add %[t], #8\n\t"
        "str %[t], %[bias]\n\t"
        "add %[xp], #4\n\t"
        "str %[xp], %[negatives]\n\t"
        "ldr %[xp], %[begin]\n\t"
        "ldr %[t], %[entry]\n\t"
        "add %[a1], %[a1], %[a0]\n\t"
        "mov %[a3], %[a1]\n\t"
        "add %[b1], %[b1], %[b0]\n\t"
        "mov %[b3], %[b1]\n\t"
        "add %[a0], %[a0], %[a0], lsl #16\n\t"
        "mov %[a2], %[a0]\n\t"
        "add %[b0], %[b0], %[b0], lsl #16\n\t"
        "mov %[b2], %[b0]\n\t"
        "sub %[wp], %[w]\n\t"
        "mov pc, %[t]\n\t"
        ".p2align 3\n"
        "2:\n\t" TL_LANES_WORDS "add %[xp], #128\n\t"
        "add %[wp], #32\n\t"
        "cmp %[xp], %[t]\n\t"
        "bne.w 2b\n\t"
        "ldr %[x1], %[multiplier]\n\t"
        "ldr %[x0], %[shift]\n\t"
        "ldr %[xp], %[zero]\n\t"
        "ldr %[t], [%[x1]]\n\t"
        "ldrsb %[x0], [%[x0]]\n\t"
        "sub %[a0], %[a0], %[a1], lsl #16\n\t"
        "sub %[a2], %[a2], %[a3], lsl #16\n\t"
        "sub %[b0], %[b0], %[b1], lsl #16\n\t"
        "sub %[b2], %[b2], %[b3], lsl #16\n\t" TL_LANES_OUTPUT("a0") TL_LANES_OUTPUT("a1") TL_LANES_OUTPUT("a2")
            TL_LANES_OUTPUT("a3") "ldr %[x0], %[shift]\n\t"
                                  "ldr %[t], [%[x1], #4]\n\t"
                                  "add %[x1], #8\n\t"
                                  "str %[x1], %[multiplier]\n\t"
                                  "add %[x1], %[x0], #2\n\t"
                                  "str %[x1], %[shift]\n\t"
                                  "ldrsb %[x0], [%[x0], #1]\n\t" TL_LANES_OUTPUT("b0") TL_LANES_OUTPUT("b1")
                                      TL_LANES_OUTPUT("b2") TL_LANES_OUTPUT("b3") TL_BLOCK_STORES
        : [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), [a3] "=&r"(a3), [b0] "=&r"(b0), [b1] "=&r"(b1),
          [b2] "=&r"(b2), [b3] "=&r"(b3), [xp] "=&r"(x_), [wp] "+r"(w), [w] "=&r"(w_), [t] "=&l"(t_), [x0] "=&r"(x0_),
          [x1] "=&r"(x1_)
        : [bias] "m"(bias), [multiplier] "m"(multiplier), [shift] "m"(shift), [negatives] "m"(negatives), [y] "m"(y),
          [entry] "m"(entry), [begin] "m"(begin), [end] "m"(end), [last] "m"(last), [zero] "m"(zero),
          [skipped] "m"(skipped_weights), [at1] "m"(at.at1), [at2] "m"(at.at2), [at3] "m"(at.at3)
        : "cc", "memory");
}

#endif
