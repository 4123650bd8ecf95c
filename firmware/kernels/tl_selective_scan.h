/* SELECTIVE_SCAN on int16: one step of Mamba's scan. The arithmetic is that of codegen/operators/selective_scan.py.
 *
 * On the Cortex-M4 two states of a channel are treated side by side, a word of each operand: SMULWB and SMLAWB multiply
 * 32 bits by either half of one. Elsewhere such a product is made of two of 32 bits, exactly.
 */
#ifndef TL_SELECTIVE_SCAN_H
#define TL_SELECTIVE_SCAN_H

#include "tl_fixed.h"

typedef struct {
    const int16_t *rates;    /* [channels][states] */
    const int32_t *skip;     /* [channels] */
    const uint16_t *sigmoid; /* [256] */
    int32_t channels, states;
    int32_t exponent, exponent_shift, rate, drive, drive_shift;
    int32_t sum_shift, gate, gate_shift, multiplier, shift;
} tl_scan_t;

#define TL_STATE_BITS 8 /* behind the last bit of a state while it is summed up */

/* sum + ((x * y) >> 32) */
static inline int32_t tl_add_high(int32_t sum, int32_t x, int32_t y)
{
#if TL_DSP
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
    return result;
#else
    return sum + (int32_t)(((int64_t)x * y) >> 32);
#endif
}

/* (x * y) >> 16, y of 16 bits, the result of 32 */
static inline int32_t tl_middle(int32_t x, int32_t y)
{
    return (x >> 16) * y + (((x & 0xFFFF) * y) >> 16);
}

#if TL_DSP
/* sum + ((x * low(y)) >> 16) */
static inline int32_t tl_smlawb(int32_t x, uint32_t y, int32_t sum)
{
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
    return result;
}
#endif

/* 2^-f = 1 + f * r(f): r with 14 bits behind the point, lowest power first; the 1 with 30 */
#define TL_POWER_0 (-11356)
#define TL_POWER_1 3966
#define TL_POWER_2 (-915)
#define TL_POWER_ONE ((1 << 30) - 5678)

/* 2^(30 - shift) * 2^-(x / 65536), 0 <= x < 2^30 */
TL_INLINE int32_t tl_power(int32_t x, int32_t shift)
{
    const int32_t down = x + (shift << 16) + 0x8000;
#if TL_DSP
    int32_t places, r = tl_smlawb(TL_POWER_2, (uint32_t)x, TL_POWER_1);
    r = tl_smlabb((uint32_t)tl_smlawb(r, (uint32_t)x, TL_POWER_0), x, TL_POWER_ONE);
    __asm__("usat %0, #5, %1, asr #16" : "=r"(places) : "r"(down));
    return r >> places;
#else
    const int32_t f = (int16_t)x, places = down >> 16;
    const int32_t r = TL_POWER_1 + ((TL_POWER_2 * f) >> 16);
    return (TL_POWER_ONE + (TL_POWER_0 + ((r * f) >> 16)) * f) >> (places < 31 ? places : 31);
#endif
}

/* softplus(-a) / ln 2 with 25 bits behind the point */
static inline int32_t tl_scan_step_size(const tl_scan_t *s, int32_t a)
{
    const int32_t v = (a * s->exponent + ((1 << s->exponent_shift) >> 1)) >> s->exponent_shift;
    const int32_t w = tl_power(tl_abs(v), 0) << 1;
    int32_t sum = tl_add_high(-122252293, w, 64366087); /* log2(1 + w) / w */
    sum = tl_add_high(118722071, w, sum);
    sum = tl_add_high(-96242692, w, sum);
    sum = tl_add_high(96812299, w, sum);
    return tl_add_high((v & v >> 31) * -512, w, sum);
}

/* what -dt * u gives to a state for each unit of B, with 24 bits behind the state's last */
static inline int32_t tl_scan_drive(const tl_scan_t *s, int32_t size, int32_t u)
{
    const int32_t drive = tl_add_high(0, size, u * s->drive), up = s->drive_shift;
    if (up <= 0) {
        return drive >> -up;
    }
    const int32_t largest = INT32_MAX >> up;
    return (int32_t)((uint32_t)tl_clamp(drive, -largest - 1, largest) << up);
}

/* h' = decay * h + drive * b for one state */
static inline int32_t tl_scan_state(int32_t rate, int32_t drive, int32_t r, int32_t h, int32_t b)
{
    const int32_t decay = tl_power(tl_middle(rate, r), 14 - TL_STATE_BITS);
    const int32_t wide = tl_middle(decay, h) + tl_middle(drive, b) + (1 << (TL_STATE_BITS - 1));
    return TL_SATURATE(16, wide, TL_STATE_BITS);
}

#if TL_DSP && TL_ALL_REGISTERS
#define TL_SCAN_ASSEMBLY 1
/* Two states, in words at AT. Written out because GCC keeps half of the values in memory: nine that all states share
 * and four of these two are all registers there are. */
#define TL_SCAN_POWER(P, X)                                                                                            \
    "smlawb %[" P "], %[k2], %[" X "], %[k1]\n\tsmlawb %[" P "], %[" P "], %[" X "], %[k0]\n\t"                        \
    "smlabb %[" P "], %[" P "], %[" X "], %[one]\n\tadd %[" X "], %[" X "], #0x68000\n\t"                              \
    "usat %[" X "], #5, %[" X "], asr #16\n\tasr %[" P "], %[" P "], %[" X "]\n\t"
#define TL_SCAN_PAIR(AT)                                                                                               \
    "ldr %[x], [%[r], #" AT                                                                                            \
    "]\n\tsmulwb %[y], %[rate], %[x]\n\tsmulwt %[x], %[rate], %[x]\n\t" TL_SCAN_POWER("p", "y") TL_SCAN_POWER(         \
        "q",                                                                                                           \
        "x") "ldr %[x], [%[h], #" AT "]\n\tldr %[y], [%[b], #" AT "]\n\tsmulwb %[p], %[p], %[x]\n\t"                   \
             "smulwt %[q], %[q], %[x]\n\tsmlawb %[p], %[drive], %[y], %[p]\n\tsmlawt %[q], %[drive], %[y], %[q]\n\t"   \
             "add %[p], %[p], #128\n\tadd %[q], %[q], #128\n\tssat %[p], #16, %[p], asr #8\n\tssat %[q], #16, %[q], "  \
             "asr #8\n\t"                                                                                              \
             "pkhbt %[p], %[p], %[q], lsl #16\n\tstr %[p], [%[h], #" AT "]\n\t"

#define TL_SCAN_AT_ONCE 8

/* as many states */
TL_INLINE void tl_scan_states(const int16_t *r, const int16_t *b, int16_t *h, int32_t rate, int32_t drive)
{
    int32_t x, y, p, q;
    __asm__ volatile(TL_SCAN_PAIR("0") TL_SCAN_PAIR("4") TL_SCAN_PAIR("8") TL_SCAN_PAIR("12")
                     : [x] "=&r"(x), [y] "=&r"(y), [p] "=&r"(p), [q] "=&r"(q)
                     : [r] "r"(r), [b] "r"(b), [h] "r"(h), [rate] "r"(rate), [drive] "r"(drive), [k0] "r"(TL_POWER_0),
                       [k1] "r"(TL_POWER_1), [k2] "r"(TL_POWER_2), [one] "r"(TL_POWER_ONE)
                     : "memory");
}
#endif

#if defined(__ARM_ARCH_7M__) && TL_ALL_REGISTERS && !defined(TL_PORTABLE)
#define TL_SCAN_ASSEMBLY 1
/* One state, at AT. rate and drive are in halves that all states share: GCC splits them anew for each, and takes twice
 * the cycles. */
#define TL_SCAN_ONE(AT)                                                                                                \
    "ldrsh %[x], [%[r], #" AT "]\n\tmul %[t], %[rate_low], %[x]\n\tmul %[x], %[rate_high], %[x]\n\t"                   \
    "add %[x], %[x], %[t], asr #16\n\tsxth %[p], %[x]\n\tmul %[t], %[k2], %[p]\n\tadd %[t], %[k1], %[t], asr #16\n\t"  \
    "mul %[t], %[t], %[p]\n\tadd %[t], %[k0], %[t], asr #16\n\tmla %[p], %[t], %[p], %[one]\n\t"                       \
    "add %[x], %[x], #0x68000\n\tusat %[x], #5, %[x], asr #16\n\tasr %[p], %[p], %[x]\n\t"                             \
    "ldrsh %[x], [%[h], #" AT "]\n\tuxth %[t], %[p]\n\tasr %[p], %[p], #16\n\tmul %[t], %[t], %[x]\n\t"                \
    "mul %[p], %[p], %[x]\n\tadd %[p], %[p], %[t], asr #16\n\t"                                                        \
    "ldrsh %[x], [%[b], #" AT "]\n\tadd %[p], %[p], #128\n\tmul %[t], %[drive_low], %[x]\n\t"                          \
    "mul %[x], %[drive_high], %[x]\n\tadd %[p], %[p], %[t], asr #16\n\tadd %[p], %[p], %[x]\n\t"                       \
    "ssat %[p], #16, %[p], asr #8\n\tstrh %[p], [%[h], #" AT "]\n\t"

#define TL_SCAN_AT_ONCE 4

/* as many states */
TL_INLINE void tl_scan_states(const int16_t *r, const int16_t *b, int16_t *h, int32_t rate, int32_t drive)
{
    int32_t x, p, t;
    __asm__ volatile(TL_SCAN_ONE("0") TL_SCAN_ONE("2") TL_SCAN_ONE("4") TL_SCAN_ONE("6")
                     : [x] "=&r"(x), [p] "=&r"(p), [t] "=&r"(t)
                     : [r] "r"(r), [b] "r"(b), [h] "r"(h), [rate_high] "r"(rate >> 16), [rate_low] "r"(rate & 0xFFFF),
                       [drive_high] "r"(drive >> 16), [drive_low] "r"(drive & 0xFFFF), [k0] "r"(TL_POWER_0),
                       [k1] "r"(TL_POWER_1), [k2] "r"(TL_POWER_2), [one] "r"(TL_POWER_ONE)
                     : "memory");
}
#endif

/* All states of one channel. */
TL_INLINE void tl_scan_channel(const int16_t *r, const int16_t *b, int16_t *h, int32_t states, int32_t rate,
                               int32_t drive)
{
    int32_t left = states;
#ifdef TL_SCAN_ASSEMBLY
    for (const int32_t n = TL_SCAN_AT_ONCE; left >= n; left -= n, r += n, b += n, h += n) {
        tl_scan_states(r, b, h, rate, drive);
    }
#endif
    for (; left > 0; left--, r++, b++, h++) {
        *h = (int16_t)tl_scan_state(rate, drive, *r, *h, *b);
    }
}

/* c . h */
TL_INLINE int64_t tl_scan_read(const int16_t *c, const int16_t *h, int32_t states)
{
    int32_t left = states;
#if TL_DSP
    int64_t sum = 0;
    for (; left >= 4; left -= 4) {
        uint32_t c0, c1, h0, h1;
        __asm__(
            "ldr %[c0], [%[c]], #4\n\tldr %[h0], [%[h]], #4\n\tldr %[c1], [%[c]], #4\n\tldr %[h1], [%[h]], #4\n\t"
            "smlald %Q[sum], %R[sum], %[c0], %[h0]\n\tsmlald %Q[sum], %R[sum], %[c1], %[h1]"
            : [sum] "+r"(sum), [c] "+r"(c), [h] "+r"(h), [c0] "=&r"(c0), [c1] "=&r"(c1), [h0] "=&r"(h0), [h1] "=&r"(h1)
            :
            : "memory");
    }
    for (; left > 0; left--) {
        sum += *c++ * *h++;
    }
    return sum;
#else
    /* products of 31 bits in two sums, modulo 2^32 and of the upper halves, which tell the whole */
    uint32_t lower = 0;
    int32_t upper = 0;
    for (; left >= 4; left -= 4, c += 4, h += 4) {
        const int32_t first = c[0] * h[0], second = c[1] * h[1], third = c[2] * h[2], fourth = c[3] * h[3];
        lower += (uint32_t)first + (uint32_t)second + (uint32_t)third + (uint32_t)fourth;
        upper += (first >> 16) + (second >> 16) + (third >> 16) + (fourth >> 16);
    }
    for (; left > 0; left--) {
        const int32_t product = *c++ * *h++;
        lower += (uint32_t)product;
        upper += product >> 16;
    }
    return upper * INT64_C(65536) + (lower - ((uint32_t)upper << 16));
#endif
}

/* sum >> shift within 31 bits */
#ifdef TL_UPDATABLE /* the shift is data, from 2 to 31: the upper word says whether the result fits */
TL_INLINE int32_t tl_scan_narrowed(int64_t sum, int32_t shift)
{
    const int32_t limit = (1 << 30) - 1;
    const int32_t high = (int32_t)(sum >> 32), most = (int32_t)(1u << (shift - 2));
    const int32_t low = (int32_t)((uint32_t)high << (32 - shift) | (uint32_t)sum >> shift);
    if ((uint32_t)high + (uint32_t)most >= 2u * (uint32_t)most) {
        return high < 0 ? -limit : limit;
    }
    return low < -limit ? -limit : low;
}
#else
static inline int32_t tl_scan_narrowed(int64_t sum, int32_t shift)
{
    const int32_t limit = (1 << 30) - 1;
    if (!__builtin_constant_p(shift)) { /* data: two words are shifted by less than 32 bits */
        const int64_t most = (int64_t)limit << shift;
        const uint32_t low = (uint32_t)sum >> shift | (uint32_t)(sum >> 32) << 1 << (31 - shift);
        return sum > most ? limit : sum < -most ? -limit : (int32_t)low;
    }
    const int64_t narrowed = sum >> shift;
    return narrowed > limit ? limit : narrowed < -limit ? -limit : (int32_t)narrowed;
}
#endif

typedef struct {
    int32_t rate, drive;
} tl_scan_channel_t;

/* `channels`: working memory, one of each. `h` may be `before`. */
TL_INLINE void tl_selective_scan(const tl_scan_t *s, const int16_t *a, const int16_t *u, const int16_t *b,
                                 const int16_t *c, const int16_t *z, const int16_t *before, int16_t *h, int16_t *y,
                                 tl_scan_channel_t *channels)
{
    if (h != before) {
        TL_MEMCPY(h, before, (size_t)(s->channels * s->states) * sizeof *h);
    }
    for (int32_t i = 0; i < s->channels; i++) {
        const int32_t size = tl_scan_step_size(s, a[i]);
        channels[i] = (tl_scan_channel_t){tl_add_high(0, size, s->rate), tl_scan_drive(s, size, u[i])};
    }
    const int16_t *r = s->rates;
    for (int32_t i = 0; i < s->channels; i++, r += s->states, h += s->states) {
        tl_scan_channel(r, b, h, s->states, channels[i].rate, channels[i].drive);
        channels[i].rate = tl_scan_narrowed(tl_scan_read(c, h, s->states), s->sum_shift);
    }
    for (int32_t i = 0; i < s->channels; i++) {
        const int32_t sum = channels[i].rate + tl_middle(s->skip[i], u[i]);
        const int32_t gate = z[i] * tl_logistic16(z[i], s->gate, s->gate_shift, s->sigmoid);
        const int32_t product = tl_add_high(0, sum, gate);
        y[i] = (int16_t)tl_sat16(tl_requantise(product, s->multiplier, s->shift));
    }
}

#endif
