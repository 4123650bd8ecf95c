/* Fixed-point arithmetic of quantised operators. The specification is codegen/arithmetic/fixedpoint.py; both agree on
 * every bit.
 *
 * A factor is multiplier * 2^(shift - 31), as in TFLite. Three ways of rounding exist there, see
 * codegen/arithmetic/requantise.py: `tl_scale_*` round twice, `tl_requantise` once.
 */
#ifndef TL_FIXED_H
#define TL_FIXED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __clang__ /* C99 promises string literals of 4,095 characters; compilers that know this assembly take more */
#pragma clang diagnostic ignored "-Woverlength-strings"
#endif

/* The only library functions that generated code calls, declared here: a freestanding compiler has no string.h. A
 * program without them names its own with -DTL_MEMCPY=... and -DTL_MEMSET=...; compilers call memcpy and memset of
 * their own accord as well. */
#ifndef TL_MEMCPY
#define TL_MEMCPY memcpy
#endif
#ifndef TL_MEMSET
#define TL_MEMSET memset
#endif
void *TL_MEMCPY(void *to, const void *from, size_t size);
void *TL_MEMSET(void *to, int value, size_t size);

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SAT) && !defined(TL_PORTABLE)
#define TL_DSP 1 /* Cortex-M4: SSAT, SMMULR, SMLAD, SXTB16 */
#else
#define TL_DSP 0
#endif

static inline int32_t tl_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* x >> SHIFT in BITS bits, SHIFT a constant from 1 on: one instruction */
#if defined(__ARM_FEATURE_SAT) && !defined(TL_PORTABLE)
#define TL_SATURATE(BITS, X, SHIFT)                                                                                    \
    __extension__({                                                                                                    \
        int32_t saturated;                                                                                             \
        __asm__("ssat %0, #" #BITS ", %1, asr %2" : "=r"(saturated) : "r"(X), "i"(SHIFT));                             \
        saturated;                                                                                                     \
    })
#else
#define TL_SATURATE(BITS, X, SHIFT)                                                                                    \
    tl_clamp((X) >> (SHIFT), -(int32_t)(1u << (BITS - 1)), (int32_t)(1u << (BITS - 1)) - 1)
#endif
#define TL_INLINE static inline __attribute__((always_inline))

/* Assembly that takes every register: at -O0, and from clang, a frame pointer holds one of them. */
#if defined(__OPTIMIZE__) && !defined(__clang__)
#define TL_ALL_REGISTERS 1
#else
#define TL_ALL_REGISTERS 0
#endif

/* One copy in the image, called by every layer of its kind: a layer spends its time inside. In a library all models
 * share it. */
#define TL_SHARED static __attribute__((noinline, unused))

/* What lies around such a loop: a copy a model, so that the compiler knows the constants of a layer that is the only
 * one to call it. */
#define TL_OWN static __attribute__((noinline, unused))

static inline int32_t tl_sat8(int32_t x)
{
#if defined(__ARM_FEATURE_SAT) && !defined(TL_PORTABLE)
    int32_t y;
    __asm__("ssat %0, #8, %1" : "=r"(y) : "r"(x));
    return y;
#else
    return tl_clamp(x, INT8_MIN, INT8_MAX);
#endif
}

static inline int32_t tl_sat16(int32_t x)
{
#if defined(__ARM_FEATURE_SAT) && !defined(TL_PORTABLE)
    int32_t y;
    __asm__("ssat %0, #16, %1" : "=r"(y) : "r"(x));
    return y;
#else
    return tl_clamp(x, INT16_MIN, INT16_MAX);
#endif
}

/* x / 2, rounded down */
static inline int32_t tl_sat8_half(int32_t x)
{
    return TL_SATURATE(8, x, 1);
}

static inline int32_t tl_sat16_half(int32_t x)
{
    return TL_SATURATE(16, x, 1);
}

static inline int32_t tl_abs(int32_t x)
{
    return x < 0 ? -x : x;
}

/* (x * multiplier + 2^30) >> 31 */
static inline int32_t tl_doubling_high(int32_t x, int32_t multiplier)
{
    return (int32_t)(((int64_t)x * multiplier + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^shift, halves away from zero; |x| <= 2^30, 0 <= shift <= 30 */
static inline int32_t tl_shift_right(int32_t x, int32_t shift)
{
    /* rounding half up, of x - 1 when x is negative, is rounding half away from zero */
    return shift == 0 ? x : (x + (x >> 31) + (1 << (shift - 1))) >> shift;
}

/* x * multiplier * 2^(-shift - 31), rounded twice; |x| <= 2^30, 0 <= shift <= 30 */
static inline int32_t tl_scale_down(int32_t x, int32_t multiplier, int32_t shift)
{
    return tl_shift_right(tl_doubling_high(x, multiplier), shift);
}

/* floor((x * multiplier + 2^31) / 2^32) + add */
static inline int32_t tl_high_rounded(int32_t x, int32_t multiplier, int32_t add)
{
#if TL_DSP
    int32_t y;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(y) : "r"(x), "r"(multiplier), "r"(add));
    return y;
#else
    const int64_t product = (int64_t)x * multiplier;
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31) + add;
#endif
}

/* tl_doubling_high for -2^30 <= x < 2^30 */
static inline int32_t tl_doubling_high_narrow(int32_t x, int32_t multiplier)
{
    return tl_high_rounded((int32_t)((uint32_t)x << 1), multiplier, 0);
}

/* tl_scale_down of x, given 2 * x, before its shift right; 1 <= shift <= 30. `sign`: that of x where it is known, +1 or
 * -1 (zero is either), else 0. Halves of negative values go down: one less is added to them, as in tl_shift_right. */
TL_INLINE int32_t tl_unshifted(int32_t twice, int32_t multiplier, int32_t shift, int32_t sign)
{
    const int32_t high = tl_high_rounded(twice, multiplier, (1 << (shift - 1)) - (sign < 0));
    return sign == 0 ? high + (twice >> 31) : high;
}

/* 2 * a * b, less than 2^31; an `a` that does not change in a loop is doubled outside */
TL_INLINE int32_t tl_twice(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a * 2u * (uint32_t)b);
}

/* the same where a * b may be 2^30, which is taken for a trifle less */
TL_INLINE int32_t tl_twice_saturated(int32_t a, int32_t b)
{
#if TL_DSP
    int32_t twice;
    __asm__("qadd %0, %1, %1" : "=r"(twice) : "r"(a * b));
    return twice;
#else
    return (int32_t)((uint32_t)tl_clamp(a * b, -(1 << 30), (1 << 30) - 1) << 1);
#endif
}

static inline int32_t tl_scale_doubled(int32_t twice, int32_t multiplier, int32_t shift, int32_t sign)
{
    return tl_unshifted(twice, multiplier, shift, sign) >> shift;
}

/* tl_scale_down for -2^30 <= x < 2^30 */
static inline int32_t tl_scale_down_narrow(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t twice = (int32_t)((uint32_t)x << 1);
    return shift == 0 ? tl_doubling_high_narrow(x, multiplier) : tl_scale_doubled(twice, multiplier, shift, 0);
}

/* the same for any x and shift: sums of convolutions */
static inline int32_t tl_scale_down_sum(int32_t x, int32_t multiplier, int32_t shift)
{
    const int64_t high = tl_doubling_high(x, multiplier);
    return shift == 0 ? (int32_t)high : (int32_t)((high + (x >> 31) + (INT64_C(1) << (shift - 1))) >> shift);
}

/* x * multiplier * 2^(shift - 31), rounded once; x * 2^shift must fit 32 bits */
static inline int32_t tl_scale_up(int32_t x, int32_t multiplier, int32_t shift)
{
    return tl_doubling_high((int32_t)((uint32_t)x << shift), multiplier);
}

/* floor(sum * multiplier / 2^(shift + 33) + 1/2), 0 <= shift <= 30: the upper half of the product is enough */
static inline int32_t tl_requantise(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return ((high >> shift) + 1) >> 1;
}

/* floor(sum * (upper * 2^32 + lower) / 2^64) */
static inline int32_t tl_multiply_long(int32_t sum, int32_t upper, int32_t lower)
{
    return (int32_t)(((int64_t)sum * upper + (int32_t)(((int64_t)sum * lower) >> 32)) >> 32);
}

/* tl_requantise with a multiplier of 62 or 63 bits, upper * 2^32 + lower, and 2^(shift + 65) */
static inline int32_t tl_requantise_long(int32_t sum, int32_t upper, int32_t lower, int32_t shift)
{
    return ((tl_multiply_long(sum, upper, lower) >> shift) + 1) >> 1;
}

/* any shift from 0 on of 2^(shift + 1), for factors of 1/4 and more */
static inline int32_t tl_requantise_any(int32_t sum, int32_t multiplier, int32_t shift)
{
    return (int32_t)(((((int64_t)sum * multiplier) >> shift) + 1) >> 1);
}

/* floor(sum * multiplier / 2^shift + 1/2), a sum below 2^47 and a multiplier of 16 bits: int16 products in TFLite */
static inline int32_t tl_requantise_wide(int64_t sum, int32_t multiplier, int32_t shift)
{
#if defined(__thumb2__)
    __asm__("" : "+r"(multiplier)); /* GCC would take a constant apart into twenty shifts and additions */
#endif
    return (int32_t)((sum * multiplier + (INT64_C(1) << (shift - 1))) >> shift);
}

/* tl_interpolate for a table without steps of 2^15 and more */
static inline int32_t tl_interpolate_smooth(int32_t x, const int16_t *table)
{
    const int16_t *at = table + 256 + (x >> 7);
    const int32_t base = at[0];
    return base + (((at[1] - base) * (x & 0x7F) + 64) >> 7);
}

/* a function sampled every 128 inputs, linear between; x is an int16 value, table[513] */
static inline int32_t tl_interpolate(int32_t x, const int16_t *table)
{
    const int16_t *at = table + 256 + (x >> 7);
    const int32_t base = at[0];
    const int32_t slope = (int16_t)(at[1] - base);
    return (int16_t)(base + ((slope * (x & 0x7F) + 64) >> 7));
}

/* sigmoid and tanh of int16 by table[256] of sigmoid(i / 24); the input is first brought to 1 / (3 * 4096) */
static inline int32_t tl_logistic16(int32_t q, int32_t multiplier, int32_t shift, const uint16_t *table)
{
    const int32_t x = (q * multiplier + ((1 << shift) >> 1)) >> shift;
    const uint32_t magnitude = (uint32_t)tl_abs(x);
    const uint32_t index = magnitude >> 9;
    uint32_t value = UINT32_C(0x7FFF) << 10;
    if (index < 255u) {
        const uint32_t low = table[index];
        value = (low << 9) + (magnitude & 0x1FFu) * (table[index + 1u] - low);
    }
    value = x >= 0 ? value + (1u << 9) : (UINT32_C(1) << 25) - value + (1u << 9) - 1u;
    return (int16_t)(value >> 10);
}

static inline int32_t tl_tanh16(int32_t q, int32_t multiplier, int32_t shift, const uint16_t *table)
{
    const int32_t x = (q * multiplier + ((1 << shift) >> 1)) >> shift;
    const uint32_t magnitude = (uint32_t)tl_abs(x);
    const uint32_t index = magnitude >> 8;
    int32_t value = 0xFFFF << 8;
    if (index < 255u) {
        const int32_t low = table[index];
        value = (low << 8) + (int32_t)(magnitude & 0xFFu) * (table[index + 1u] - low);
    }
    const int32_t half = 1 << (14 + 9);
    value = x >= 0 ? value - half + (1 << 7) : half - value + (1 << 7) - 1;
    return (int16_t)(value >> 8);
}

/* four bytes as they lie in memory, aligned or not */
static inline uint32_t tl_load4(const void *bytes)
{
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word); /* one LDR, also in a freestanding build */
    return word;
}

#if TL_DSP
/* bytes 0 and 2, sign-extended into two halves */
static inline uint32_t tl_sxtb16(uint32_t x)
{
    uint32_t y;
    __asm__("sxtb16 %0, %1" : "=r"(y) : "r"(x));
    return y;
}

/* bytes 1 and 3 */
static inline uint32_t tl_sxtb16_ror8(uint32_t x)
{
    uint32_t y;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(y) : "r"(x));
    return y;
}

/* sum + low(a) * low(b) + high(a) * high(b) */
static inline int32_t tl_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlad %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* sum + low(a) * low(b) */
static inline int32_t tl_smlabb(uint32_t a, int32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}

/* sum + high(a) * low(b) */
static inline int32_t tl_smlatb(uint32_t a, int32_t b, int32_t sum)
{
    int32_t y;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(sum));
    return y;
}
#endif

#endif
