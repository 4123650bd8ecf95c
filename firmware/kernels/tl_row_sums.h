/* Sums of a 3 x 3 filter over three rows of tl_depthwise_rows.h's ring: two outputs that lie side by side, four, and
 * four that are two columns apart. On the Cortex-M4 two taps are one SMLAD: 3 loads and 8 products for the 12 of a
 * filter row. Elsewhere two outputs of int8 are one multiplication, see tl_blocks.h.
 */
#ifndef TL_ROW_SUMS_H
#define TL_ROW_SUMS_H

#include "tl_blocks.h"

/* how the sums of one output channel become outputs, and where they go */
typedef struct {
    const int8_t *weights;
#if !TL_DSP
    int32_t upper; /* bias of sums of upper halves */
#endif
    int32_t bias, multiplier, shift, zero, step; /* step: bytes from pixel to pixel of y */
#if TL_DSP
    uint32_t taps[6]; /* of each row of 3: (tap 0, tap 1), (tap 1, tap 2) */
#else
    int8_t taps[9]; /* the weights */
#endif
} tl_depthwise_channel_t;

typedef struct {
    int32_t s0, s1, s2, s3;
} tl_row_sums_t;

#if TL_DSP
static inline uint32_t tl_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

/* Of int8 taps and bias are doubled for SMMULR; the shift becomes the factor with which SMMLSR shifts, rounds and adds
 * the zero point. */
static inline void tl_depthwise_prepare(tl_depthwise_channel_t *c, int32_t wide)
{
    const int32_t times = wide ? 1 : 2;
    for (int32_t i = 0; i < 3; i++) {
        const int8_t *const w = c->weights + 3 * i;
        c->taps[2 * i] = tl_pair(times * w[0], times * w[1]);
        c->taps[2 * i + 1] = tl_pair(times * w[1], times * w[2]);
    }
    if (!wide) {
        c->bias = (int32_t)((uint32_t)c->bias << 1);
        c->shift = INT32_MIN >> c->shift;
        c->zero >>= 1;
    }
}

/* tl_requantise_twice of what was prepared */
static inline int32_t tl_depthwise_output(int32_t twice, const tl_depthwise_channel_t *c)
{
    int32_t high = tl_high_rounded(twice, c->multiplier, 0);
    high += high >> 31;
    __asm__("smmlsr %0, %0, %1, %2" : "+r"(high) : "r"(c->shift), "r"(c->zero));
    return tl_sat8(high);
}

static inline tl_row_sums_t tl_depthwise_start(const tl_depthwise_channel_t *c)
{
    return (tl_row_sums_t){c->bias, c->bias, c->bias, c->bias};
}

static inline tl_row_sums_t tl_depthwise_end(tl_row_sums_t s)
{
    return s;
}

/* GCC spills in all of these when they are written with intrinsics: 150 cycles for four outputs instead of 80 */
#define TL_ROW_LOADS(X, TAPS)                                                                                          \
    "ldr %[k01], [%[taps], #" TAPS "]\n\t"                                                                             \
    "ldr %[k12], [%[taps], #" TAPS "+4]\n\t"                                                                           \
    "ldr %[x01], [%[" X "]]\n\t"                                                                                       \
    "ldr %[x23], [%[" X "], #4]\n\t"
#define TL_ROW_TWO(X, TAPS)                                                                                            \
    TL_ROW_LOADS(X, TAPS)                                                                                              \
    "smlad %[s0], %[x01], %[k01], %[s0]\n\t"                                                                           \
    "smlad %[s1], %[x23], %[k12], %[s1]\n\t"                                                                           \
    "smlabt %[s0], %[x23], %[k12], %[s0]\n\t"                                                                          \
    "smlatb %[s1], %[x01], %[k01], %[s1]\n\t"
#define TL_ROW_FOUR(X, TAPS)                                                                                           \
    TL_ROW_LOADS(X, TAPS)                                                                                              \
    "ldr %[x45], [%[" X "], #8]\n\t"                                                                                   \
    "smlad %[s0], %[x01], %[k01], %[s0]\n\t"                                                                           \
    "smlad %[s1], %[x23], %[k12], %[s1]\n\t"                                                                           \
    "smlad %[s2], %[x23], %[k01], %[s2]\n\t"                                                                           \
    "smlad %[s3], %[x45], %[k12], %[s3]\n\t"                                                                           \
    "smlabt %[s0], %[x23], %[k12], %[s0]\n\t"                                                                          \
    "smlatb %[s1], %[x01], %[k01], %[s1]\n\t"                                                                          \
    "smlabt %[s2], %[x45], %[k12], %[s2]\n\t"                                                                          \
    "smlatb %[s3], %[x23], %[k01], %[s3]\n\t"
#define TL_ROW_FOUR_APART(X, TAPS)                                                                                     \
    TL_ROW_LOADS(X, TAPS)                                                                                              \
    "ldr %[x45], [%[" X "], #8]\n\t"                                                                                   \
    "smlad %[s0], %[x01], %[k01], %[s0]\n\t"                                                                           \
    "smlad %[s1], %[x23], %[k01], %[s1]\n\t"                                                                           \
    "smlabt %[s0], %[x23], %[k12], %[s0]\n\t"                                                                          \
    "ldr %[x01], [%[" X "], #12]\n\t"                                                                                  \
    "ldrsh %[x23], [%[" X "], #16]\n\t"                                                                                \
    "smlabt %[s1], %[x45], %[k12], %[s1]\n\t"                                                                          \
    "smlad %[s2], %[x45], %[k01], %[s2]\n\t"                                                                           \
    "smlad %[s3], %[x01], %[k01], %[s3]\n\t"                                                                           \
    "smlabt %[s2], %[x01], %[k12], %[s2]\n\t"                                                                          \
    "smlabt %[s3], %[x23], %[k12], %[s3]\n\t"
#define TL_ROW_ASSEMBLY(NAME, ROW)                                                                                     \
    static inline tl_row_sums_t NAME(tl_row_sums_t s, const int16_t *top, const int16_t *middle,                       \
                                     const int16_t *bottom, const tl_depthwise_channel_t *c)                           \
    {                                                                                                                  \
        uint32_t x01, x23, x45, k01, k12;                                                                              \
        __asm__(ROW("top", "0") ROW("middle", "8") ROW("bottom", "16")                                                 \
                : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x01] "=&r"(x01),                \
                  [x23] "=&r"(x23), [x45] "=&r"(x45), [k01] "=&r"(k01), [k12] "=&r"(k12)                               \
                : [top] "r"(top), [middle] "r"(middle), [bottom] "r"(bottom), [taps] "r"(c->taps)                      \
                : "memory");                                                                                           \
        return s;                                                                                                      \
    }
TL_ROW_ASSEMBLY(tl_rows_two, TL_ROW_TWO)
TL_ROW_ASSEMBLY(tl_rows_four, TL_ROW_FOUR)
TL_ROW_ASSEMBLY(tl_rows_four_apart, TL_ROW_FOUR_APART)
#else
static inline void tl_depthwise_prepare(tl_depthwise_channel_t *c, int32_t wide)
{
    c->upper = c->bias;
    for (int32_t i = 0; i < 9 && !wide; i++) {
        c->taps[i] = c->weights[i];
        c->upper += c->weights[i] < 0;
    }
}

static inline int32_t tl_depthwise_output(int32_t sum, const tl_depthwise_channel_t *c)
{
    return tl_requantise_twice(sum, c->multiplier, c->shift, c->zero);
}

static inline tl_row_sums_t tl_depthwise_start(const tl_depthwise_channel_t *c)
{
    const int32_t whole = (int32_t)((uint32_t)c->bias * 0x10001u);
    return (tl_row_sums_t){whole, c->upper, whole, c->upper};
}

static inline tl_row_sums_t tl_depthwise_end(tl_row_sums_t s)
{
    return (tl_row_sums_t){tl_lower(s.s0, s.s1), s.s1, tl_lower(s.s2, s.s3), s.s3};
}

#if defined(__ARM_ARCH_7M__) && !defined(TL_PORTABLE)
#define TL_ROW_LANES(X, W, UPPER)                                                                                      \
    "mul %[t], %[w], %[" X "]\n\t"                                                                                     \
    "add %[" W "], %[" W "], %[t]\n\t"                                                                                 \
    "add %[" UPPER "], %[" UPPER "], %[t], asr #16\n\t"
#define TL_ROW_TWO(X, TAPS)                                                                                            \
    "ldr %[x01], [%[" X "]]\n\t"                                                                                       \
    "ldr %[x23], [%[" X "], #4]\n\t"                                                                                   \
    "ldrsb %[w], [%[taps], #" TAPS                                                                                     \
    "]\n\t" TL_ROW_LANES("x01", "s0", "s1") "ldrsb %[w], [%[taps], #" TAPS "+2]\n\t" TL_ROW_LANES(                     \
        "x23", "s0", "s1") "ldrsb %[w], [%[taps], #" TAPS "+1]\n\t"                                                    \
                           "lsr %[x01], %[x01], #16\n\t"                                                               \
                           "orr %[x01], %[x01], %[x23], lsl #16\n\t" TL_ROW_LANES("x01", "s0", "s1")
#define TL_ROW_FOUR(X, TAPS)                                                                                           \
    "ldr %[x01], [%[" X "]]\n\t"                                                                                       \
    "ldr %[x23], [%[" X "], #4]\n\t"                                                                                   \
    "ldr %[x45], [%[" X "], #8]\n\t"                                                                                   \
    "ldrsb %[w], [%[taps], #" TAPS "]\n\t" TL_ROW_LANES("x01", "s0", "s1")                                             \
        TL_ROW_LANES("x23", "s2", "s3") "ldrsb %[w], [%[taps], #" TAPS "+2]\n\t" TL_ROW_LANES("x23", "s0", "s1")       \
            TL_ROW_LANES("x45", "s2", "s3") "ldrsb %[w], [%[taps], #" TAPS "+1]\n\t"                                   \
                                            "lsr %[x01], %[x01], #16\n\t"                                              \
                                            "orr %[x01], %[x01], %[x23], lsl #16\n\t"                                  \
                                            "lsr %[x23], %[x23], #16\n\t"                                              \
                                            "orr %[x23], %[x23], %[x45], lsl #16\n\t" TL_ROW_LANES("x01", "s0", "s1")  \
                                                TL_ROW_LANES("x23", "s2", "s3")
#define TL_ROW_ASSEMBLY(NAME, ROW)                                                                                     \
    static inline tl_row_sums_t NAME(tl_row_sums_t s, const int16_t *top, const int16_t *middle,                       \
                                     const int16_t *bottom, const tl_depthwise_channel_t *c)                           \
    {                                                                                                                  \
        uint32_t x01, x23, x45, w, t;                                                                                  \
        __asm__(ROW("top", "0") ROW("middle", "3") ROW("bottom", "6")                                                  \
                : [s0] "+r"(s.s0), [s1] "+r"(s.s1), [s2] "+r"(s.s2), [s3] "+r"(s.s3), [x01] "=&r"(x01),                \
                  [x23] "=&r"(x23), [x45] "=&r"(x45), [w] "=&r"(w), [t] "=&r"(t)                                       \
                : [top] "r"(top), [middle] "r"(middle), [bottom] "r"(bottom), [taps] "r"(c->weights)                   \
                : "memory");                                                                                           \
        return s;                                                                                                      \
    }
TL_ROW_ASSEMBLY(tl_rows_two, TL_ROW_TWO)
TL_ROW_ASSEMBLY(tl_rows_four, TL_ROW_FOUR)
#define TL_ROW_TAP_APART(X, TAP, X0, X1, X2, X3)                                                                       \
    "ldrsb %[w], [%[taps], #" TAP "]\n\t"                                                                              \
    "ldrsh %[x01], [%[" X "], #" X0 "]\n\t"                                                                            \
    "ldrsh %[x23], [%[" X "], #" X1 "]\n\t"                                                                            \
    "ldrsh %[x45], [%[" X "], #" X2 "]\n\t"                                                                            \
    "ldrsh %[t], [%[" X "], #" X3 "]\n\t"                                                                              \
    "mla %[s0], %[w], %[x01], %[s0]\n\t"                                                                               \
    "mla %[s1], %[w], %[x23], %[s1]\n\t"                                                                               \
    "mla %[s2], %[w], %[x45], %[s2]\n\t"                                                                               \
    "mla %[s3], %[w], %[t], %[s3]\n\t"
#define TL_ROW_FOUR_APART(X, TAPS)                                                                                     \
    TL_ROW_TAP_APART(X, TAPS, "0", "4", "8", "12")                                                                     \
    TL_ROW_TAP_APART(X, TAPS "+1", "2", "6", "10", "14")                                                               \
    TL_ROW_TAP_APART(X, TAPS "+2", "4", "8", "12", "16")
TL_ROW_ASSEMBLY(tl_rows_four_apart, TL_ROW_FOUR_APART)
#define TL_ROWS_APART 1
#else
/* two outputs, whose windows begin at x and x + 1: the sum of words and of upper halves */
static inline void tl_lanes3(int32_t *whole, int32_t *upper, const int8_t *w, const int16_t *x)
{
    const uint32_t x01 = tl_load4(x), x23 = tl_load4(x + 2);
    tl_block_two(whole, upper, w[0], x01);
    tl_block_two(whole, upper, w[1], x01 >> 16 | x23 << 16);
    tl_block_two(whole, upper, w[2], x23);
}

static inline tl_row_sums_t tl_rows_two(tl_row_sums_t s, const int16_t *top, const int16_t *middle,
                                        const int16_t *bottom, const tl_depthwise_channel_t *c)
{
    tl_lanes3(&s.s0, &s.s1, c->weights, top);
    tl_lanes3(&s.s0, &s.s1, c->weights + 3, middle);
    tl_lanes3(&s.s0, &s.s1, c->weights + 6, bottom);
    return s;
}

static inline tl_row_sums_t tl_rows_four(tl_row_sums_t s, const int16_t *top, const int16_t *middle,
                                         const int16_t *bottom, const tl_depthwise_channel_t *c)
{
    s = tl_rows_two(s, top, middle, bottom, c);
    tl_lanes3(&s.s2, &s.s3, c->weights, top + 2);
    tl_lanes3(&s.s2, &s.s3, c->weights + 3, middle + 2);
    tl_lanes3(&s.s2, &s.s3, c->weights + 6, bottom + 2);
    return s;
}
#endif

#endif

/* of int16, where SMLAD is the same; of int8 where outputs are two columns apart, which share too few loads elsewhere
 */
#if TL_DSP
TL_INLINE tl_row_sums_t tl_rows_wide(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                                     const tl_depthwise_channel_t *c, int32_t apart)
{
    return apart ? tl_rows_four_apart(tl_depthwise_start(c), top, middle, bottom, c)
                 : tl_rows_four(tl_depthwise_start(c), top, middle, bottom, c);
}
#else
TL_INLINE tl_row_sums_t tl_rows_wide(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                                     const tl_depthwise_channel_t *c, int32_t apart)
{
    const int32_t step = apart ? 2 : 1;
    tl_row_sums_t s = {c->bias, c->bias, c->bias, c->bias};
#ifdef TL_ROWS_APART
    if (apart) {
        return tl_rows_four_apart(s, top, middle, bottom, c);
    }
#endif
    const int8_t *w = c->weights;
    for (int32_t row = 0; row < 3; row++, w += 3) {
        const int16_t *const x = row == 0 ? top : row == 1 ? middle : bottom;
        const int32_t w0 = w[0], w1 = w[1], w2 = w[2];
        s.s0 += w0 * x[0] + w1 * x[1] + w2 * x[2];
        s.s1 += w0 * x[step] + w1 * x[step + 1] + w2 * x[step + 2];
        s.s2 += w0 * x[2 * step] + w1 * x[2 * step + 1] + w2 * x[2 * step + 2];
        s.s3 += w0 * x[3 * step] + w1 * x[3 * step + 1] + w2 * x[3 * step + 2];
    }
    return s;
}
#endif

#if defined(TL_ROW_FOUR) && TL_ALL_REGISTERS
/* Whole fours of outputs of a line of int8, of all channels, sums and scaling in one piece: GCC keeps half of what they
 * need in memory. A channel's fields lie before its taps. */
#define TL_ROW_LINES 1
#if TL_DSP
/* the first products start from the bias, which s3 holds; loads move their base */
#define TL_LINE_LOADS(X, TAPS, BYTES, BACK_23, BACK_45)                                                                \
    "ldr %[k01], [%[taps], #" TAPS "]\n\t"                                                                             \
    "ldr %[k12], [%[taps], #" TAPS "+4]\n\t"                                                                           \
    "ldr %[x01], [%[" X "]], #" BYTES "\n\t"                                                                           \
    "ldr %[x23], [%[" X "], #" BACK_23 "]\n\t"                                                                         \
    "ldr %[x45], [%[" X "], #" BACK_45 "]\n\t"
#define TL_LINE_ROW(X, TAPS, S0, S1, S2)                                                                               \
    TL_LINE_LOADS(X, TAPS, "8", "-4", "0")                                                                             \
    "smlad %[s0], %[x01], %[k01], %[" S0 "]\n\t"                                                                       \
    "smlad %[s1], %[x23], %[k12], %[" S1 "]\n\t"                                                                       \
    "smlad %[s2], %[x23], %[k01], %[" S2 "]\n\t"                                                                       \
    "smlad %[s3], %[x45], %[k12], %[s3]\n\t"                                                                           \
    "smlabt %[s0], %[x23], %[k12], %[s0]\n\t"                                                                          \
    "smlatb %[s1], %[x01], %[k01], %[s1]\n\t"                                                                          \
    "smlabt %[s2], %[x45], %[k12], %[s2]\n\t"                                                                          \
    "smlatb %[s3], %[x23], %[k01], %[s3]\n\t"
#define TL_LINE_ROW_APART(X, TAPS, S0, S1, S2)                                                                         \
    TL_LINE_LOADS(X, TAPS, "16", "-12", "-8")                                                                          \
    "smlad %[s0], %[x01], %[k01], %[" S0 "]\n\t"                                                                       \
    "smlad %[s1], %[x23], %[k01], %[" S1 "]\n\t"                                                                       \
    "smlad %[s2], %[x45], %[k01], %[" S2 "]\n\t"                                                                       \
    "smlabt %[s0], %[x23], %[k12], %[s0]\n\t"                                                                          \
    "ldr %[x01], [%[" X "], #-4]\n\t"                                                                                  \
    "ldrsh %[x23], [%[" X "]]\n\t"                                                                                     \
    "smlabt %[s1], %[x45], %[k12], %[s1]\n\t"                                                                          \
    "smlad %[s3], %[x01], %[k01], %[s3]\n\t"                                                                           \
    "smlabt %[s2], %[x01], %[k12], %[s2]\n\t"                                                                          \
    "smlabt %[s3], %[x23], %[k12], %[s3]\n\t"
#define TL_LINE_SUMS(ROW)                                                                                              \
    "ldr %[s3], [%[taps], #-20]\n\t" ROW("top", "0", "s3", "s3", "s3") ROW("middle", "8", "s0", "s1", "s2")            \
        ROW("bottom", "16", "s0", "s1", "s2")
#define TL_LINE_ONE TL_LINE_SUMS(TL_LINE_ROW)
#define TL_LINE_APART TL_LINE_SUMS(TL_LINE_ROW_APART)
#define TL_LINE_END(BYTES)
#define TL_LINE_STEP "k01"
#define TL_LINE_LAST "k12"
#define TL_LINE_SCALED(S)                                                                                              \
    "smmulr %[" S "], %[" S "], %[x01]\n\tadd %[" S "], %[" S "], %[" S "], asr #31\n\t"                               \
    "smmlsr %[" S "], %[" S "], %[x23], %[x45]\n\tssat %[" S "], #8, %[" S "]\n\t"
#define TL_LINE_TEMPORARIES [k01] "=&r"(t0), [k12] "=&r"(t1)
#else
#define TL_LINE_ONE                                                                                                    \
    "ldr %[s0], [%[taps], #-20]\n\tldr %[s1], [%[taps], #-24]\n\tadd %[s0], %[s0], %[s0], lsl #16\n\t"                 \
    "mov %[s2], %[s0]\n\tmov %[s3], %[s1]\n\t" TL_ROW_FOUR("top", "0") TL_ROW_FOUR("middle", "3")                      \
        TL_ROW_FOUR("bottom", "6") "sub %[s0], %[s0], %[s1], lsl #16\n\tsub %[s2], %[s2], %[s3], lsl #16\n\t"
#define TL_LINE_APART                                                                                                  \
    "ldr %[s0], [%[taps], #-20]\n\tmov %[s1], %[s0]\n\tmov %[s2], %[s0]\n\tmov %[s3], %[s0]\n\t" TL_ROW_FOUR_APART(    \
        "top", "0") TL_ROW_FOUR_APART("middle", "3") TL_ROW_FOUR_APART("bottom", "6")
#define TL_LINE_END(BYTES)                                                                                             \
    "add %[middle], %[middle], #" BYTES "\n\tadd %[bottom], %[bottom], #" BYTES "\n\tadd %[top], %[top], #" BYTES      \
    "\n\tldr %[w], %[end]\n\t"
#define TL_LINE_STEP "t"
#define TL_LINE_LAST "w"
/* as tl_requantise_twice */
#define TL_LINE_SCALED(S)                                                                                              \
    "lsl %[" S "], %[" S "], #1\n\tsmull %[w], %[" S "], %[" S "], %[x01]\n\tadd %[" S "], %[" S                       \
    "], %[w], lsr #31\n\tadd %[" S "], %[" S "], %[" S "], asr #31\n\tasr %[" S "], %[" S "], %[x23]\n\tadd %[" S      \
    "], %[" S "], %[x45]\n\tssat %[" S "], #8, %[" S "], asr #1\n\t"
#define TL_LINE_TEMPORARIES [t] "=&r"(t0), [w] "=&r"(t1)
#endif
#define TL_LINE_OUTPUT(S) TL_LINE_SCALED(S) "strb %[" S "], [%[y]]\n\tadd %[y], %[y], %[" TL_LINE_STEP "]\n\t"
#define TL_LINE(SUMS, BYTES)                                                                                           \
    __asm__ volatile(                                                                                                  \
        "1:\n\t" SUMS "ldr %[x01], [%[taps], #-16]\n\tldr %[x23], [%[taps], #-12]\n\tldr %[x45], [%[taps], #-8]\n\t"   \
        "ldr %[" TL_LINE_STEP "], %[step]\n\tldr %[" TL_LINE_LAST "], %[end]\n\t" TL_LINE_OUTPUT("s0")                 \
            TL_LINE_OUTPUT("s1") TL_LINE_OUTPUT("s2") TL_LINE_OUTPUT("s3") TL_LINE_END(                                \
                BYTES) "cmp %[top], %[" TL_LINE_LAST "]\n\tbne.w 1b\n\t"                                               \
                       "ldr %[s0], %[plane]\n\tldr %[s1], %[next]\n\tldr %[s2], %[back]\n\tldr %[s3], %[last]\n\t"     \
                       "add %[s0], %[s0], %[" TL_LINE_LAST "]\n\tstr %[s0], %[end]\n\tadd %[top], %[top], %[s1]\n\t"   \
                       "add %[middle], %[middle], %[s1]\n\tadd %[bottom], %[bottom], %[s1]\n\t"                        \
                       "add %[y], %[y], %[s2]\n\tadd %[taps], %[taps], %[size]\n\tcmp %[taps], %[s3]\n\t"              \
                       "bne.w 1b\n\t"                                                                                  \
        : [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3), [x01] "=&r"(x01), [x23] "=&r"(x23),          \
          [x45] "=&r"(x45), TL_LINE_TEMPORARIES, [top] "+r"(top), [middle] "+r"(middle), [bottom] "+r"(bottom),        \
          [y] "+r"(out), [taps] "+r"(taps), [end] "+m"(end)                                                            \
        : [plane] "m"(plane_bytes), [next] "m"(next), [back] "m"(back), [last] "m"(last), [step] "m"(step),            \
          [size] "i"(sizeof(tl_depthwise_channel_t))                                                                   \
        : "cc", "memory")

/* Of up to four channels, whose planes lie `plane` apart and whose outputs lie side by side, those of the next pixel
 * `step` bytes on; `fours` is one at least; where outputs are `apart`, they are two columns apart */
TL_SHARED void tl_row_lines(const int16_t *top, const int16_t *middle, const int16_t *bottom,
                            const tl_depthwise_channel_t *own, int32_t channels, int32_t plane, int32_t fours,
                            int32_t apart, int32_t step, uint8_t *out)
{
    const int32_t along = (apart ? 8 : 4) * fours;
    const int16_t *end = top + along;
    const void *taps = own->taps, *const last = own[channels].taps;
    /* from the end of a channel's line to the beginning of the next one's */
    const int32_t plane_bytes = 2 * plane, next = 2 * (plane - along), back = 1 - 4 * fours * step;
    int32_t s0, s1, s2, s3;
    uint32_t x01, x23, x45, t0, t1;
    if (apart) {
        TL_LINE(TL_LINE_APART, "16");
    } else {
        TL_LINE(TL_LINE_ONE, "8");
    }
}
#else
#define TL_ROW_LINES 0
#endif

#endif
