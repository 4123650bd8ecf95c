/* Sigmoid and tanh of int16 as LSTM kernels compute them, many at a time. The specification is
 * codegen/arithmetic/gates16.py: an exponential by a series and a reciprocal by Newton steps, rounded after each
 * multiplication.
 *
 * Each of those multiplications is one or two instructions: a product with a constant c of 15 bits is the upper word
 * of a product with c * 2^17, of which MOVT loads the upper half, the lower being zero.
 */
#ifndef TL_GATES16_H
#define TL_GATES16_H

#include "tl_fixed.h"

/* a * b in 0.15, rounded; both of 16 bits */
TL_INLINE int32_t tl_high16(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

#if (defined(__ARM_ARCH_7M__) || TL_DSP) && TL_ALL_REGISTERS && !defined(TL_PORTABLE)
#define TL_GATE_ASSEMBLY 1
#else
#define TL_GATE_ASSEMBLY 0
#endif

#if TL_GATE_ASSEMBLY
#if TL_DSP
/* r *= C where the condition holds; FEW: C is below one half */
#define TL_GATE_FEW(CONDITION, C) "movt %[k], #2*" C "\n\tit " CONDITION "\n\tsmmulr" CONDITION " %[r], %[r], %[k]\n\t"
#define TL_GATE_MANY(CONDITION, C)                                                                                     \
    "movt %[k], #2*" C "\n\tit " CONDITION "\n\tsmmlar" CONDITION " %[r], %[r], %[k], %[r]\n\t"
#define TL_GATE_THIRD "movt %[k], #2*10923\n\tsmmlar %[x2], %[x3], %[k], %[x2]\n\t"
#define TL_GATE_AROUND                                                                                                 \
    "movw %[t], #28918\n\tadd %[t], %[t], %[x]\n\tmovt %[k], #2*28918\n\tsmmlar %[r], %[x], %[k], %[t]\n\t"
#define TL_GATE_FIRST                                                                                                  \
    "lsl %[x3], %[r], #17\n\tmovw %[x], #23130\n\tmovt %[k], #(65536-2*15420)\n\t"                                     \
    "smmlar %[x], %[r], %[k], %[x]\n\t"
#define TL_GATE_ERROR "sub %[t], %[x], #8192\n\tsmmlar %[t], %[x], %[x3], %[t]\n\t"
#else
#define TL_GATE_FEW(CONDITION, C)                                                                                      \
    "movw %[k], #" C "\n\titt " CONDITION "\n\tmla" CONDITION " %[r], %[r], %[k], %[half]\n\tasr" CONDITION            \
    " %[r], %[r], #15\n\t"
#define TL_GATE_MANY TL_GATE_FEW
#define TL_GATE_THIRD "movw %[k], #10923\n\tmla %[t], %[x3], %[k], %[half]\n\tadd %[x2], %[x2], %[t], asr #15\n\t"
#define TL_GATE_AROUND "movw %[k], #28918\n\tmla %[t], %[x], %[k], %[half]\n\tadd %[r], %[k], %[t], asr #15\n\t"
#define TL_GATE_FIRST                                                                                                  \
    "movw %[k], #15420\n\tmls %[t], %[r], %[k], %[half]\n\tmovw %[x], #23130\n\tadd %[x], %[x], %[t], asr #15\n\t"
#define TL_GATE_ERROR "mla %[t], %[r], %[x], %[half]\n\tasr %[t], %[t], #15\n\tsub %[t], %[t], #8192\n\t"
#endif
#define TL_GATE_NEWTON                                                                                                 \
    TL_GATE_ERROR "mls %[t], %[x], %[t], %[half]\n\tasr %[t], %[t], #15\n\tadd %[x], %[x], %[t], lsl #2\n\t"

#define TL_GATE_SHARE(ABOVE)                                                                                           \
    __asm__(                                                                                                           \
        "ubfx %[x], %[place], #0, #13\n\tsub %[x], %[top], %[x]\n\t"                                                   \
        "mla %[x2], %[x], %[x], %[half]\n\tasr %[x2], %[x2], #15\n\t"                                                  \
        "mla %[x3], %[x2], %[x], %[half]\n\tasr %[x3], %[x3], #15\n\t"                                                 \
        "mla %[t], %[x2], %[x2], %[half]\n\tadd %[t], %[t], #0x10000\n\t"                                              \
        "add %[x3], %[x3], %[t], asr #17\n\t" TL_GATE_THIRD                                                            \
        "add %[x2], %[x2], #1\n\tadd %[x], %[x], %[x2], asr #1\n\t" TL_GATE_AROUND                                     \
        "lsls %[t], %[place], #18\n\t" TL_GATE_MANY("mi", "25520")                                                     \
            TL_GATE_MANY("cs", "19875") "lsls %[t], %[place], #16\n\t" TL_GATE_FEW("mi", "12055")                      \
                TL_GATE_FEW("cs", "4435") "lsls %[t], %[place], #14\n\t" TL_GATE_FEW("mi", "600") ABOVE                \
        "add %[r], %[r], #32768\n\tlsr %[r], %[r], #1\n\t" TL_GATE_FIRST TL_GATE_NEWTON TL_GATE_NEWTON TL_GATE_NEWTON  \
        : [x] "=&r"(x), [x2] "=&r"(x2), [x3] "=&r"(x3), [t] "=&r"(t), [r] "=&r"(r), [k] "+r"(*zero)                    \
        : [place] "r"(place), [top] "r"(top), [half] "r"(1 << 14)                                                      \
        : "cc")

/* 2 / (1 + exp(-m)) in 2.13. A quarter of m + its last bit is 2^13 of `place`; top: 2^12 less its last bit. Bits of the
 * quarters are taken two at a time, into the flags: exp(-1/4), exp(-1/2), ... exp(-8); what is beyond is nothing. The
 * lower half of `zero` is zero. */
TL_INLINE int32_t tl_gate_share(int32_t place, int32_t top, int32_t below_8, int32_t *zero)
{
    int32_t x, x2, x3, t, r;
    if (below_8) {
        TL_GATE_SHARE("");
    } else {
        TL_GATE_SHARE(TL_GATE_FEW("cs", "11") "lsrs %[t], %[place], #19\n\tit ne\n\tmovne %[r], #0\n\t");
    }
    return x;
}
#else
/* exp(-m) in 0.15, from its quarters and what is left of them */
static inline int32_t tl_gate_exp(int32_t x, uint32_t quarters)
{
    static const int16_t factors[6] = {25520, 19875, 12055, 4435, 600, 11}; /* exp(-1/4), exp(-1/2), ... exp(-8) */
    const int32_t x2 = tl_high16(x, x), x4 = tl_high16(x2, x2);
    const int32_t tail = tl_high16(((x4 + 2) >> 2) + tl_high16(x2, x), 10923) + x2;
    int32_t result = 28918 + tl_high16(x + ((tail + 1) >> 1), 28918);
    for (uint32_t bit = 0; bit < 6u; bit++) {
        result = (quarters >> bit & 1u) != 0u ? tl_high16(result, factors[bit]) : result;
    }
    return quarters >= 64u ? 0 : result;
}

static inline int32_t tl_gate_share(int32_t place, int32_t top, int32_t below_8, int32_t *zero)
{
    (void)below_8, (void)zero;
    const int32_t half = (tl_gate_exp(top - (place & 0x1FFF), (uint32_t)place >> 13) + 32768) >> 1;
    int32_t x = 23130 + tl_high16(half, -15420);
    for (int32_t i = 0; i < 3; i++) {
        x += tl_high16(x, (1 << 13) - tl_high16(half, x)) * 4;
    }
    return x;
}
#endif

/* Every fourth of 4 * `count` values in place: sigmoid in 0.15 of an int16 in 3.12 */
TL_SHARED void tl_sigmoids16(int32_t *at, int32_t count)
{
    int32_t zero = 0;
    for (int32_t left = count; left > 0; left--, at += 4) {
        const int32_t value = *at;
        const uint32_t place = (uint32_t)(tl_abs(value) - 1) << 3;
        int32_t result = tl_sat16(tl_gate_share((int32_t)place, (1 << 12) - 8, 1, &zero) * 2);
        result = value < 0 ? INT16_MAX - result : result;
        *at = value == 0 ? 1 << 14 : result;
    }
}

/* tanh in 0.15 of int16 with so many integer bits */
TL_SHARED void tl_tanhs16(int32_t *at, int32_t count, int32_t integer_bits)
{
    const int32_t bits = integer_bits + 1, top = (1 << 12) - (1 << bits);
    int32_t zero = 0;
    for (int32_t left = count; left > 0; left--, at += 4) {
        const int32_t value = *at;
        const uint32_t place = (uint32_t)(tl_abs(value) - 1) << bits;
        int32_t result = tl_sat16((tl_gate_share((int32_t)place, top, 0, &zero) - (1 << 13)) * 4);
        result = value < 0 ? -result : result;
        *at = value == 0 ? 0 : result;
    }
}

#endif
