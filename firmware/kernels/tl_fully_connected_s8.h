/* FULLY_CONNECTED on int8: four rows at a time, two sums in one register.
 *
 * On the Cortex-M4 a half-word of weights is u + 256 * w, u and w of two rows. One SMLAD of two such halves as they lie
 * there adds up low + 256 * high, another after UXTB16 adds up low alone; the difference is 256 * high, exact as long
 * as high keeps within 23 bits, hence the segments. 5 loads, 6 extensions and 8 SMLAD make 16 products. Elsewhere one
 * multiplication makes two products, of an input and two weights that lie 16 bits apart: inputs and weights are biased
 * by 128, so that both products are positive and the lower one stays within its 16 bits. What the biases add is taken
 * off again: 128 * the sum of the inputs here, 128 * the sum of the weights by TL_BIAS.
 */
#ifndef TL_FULLY_CONNECTED_S8_H
#define TL_FULLY_CONNECTED_S8_H

#include "tl_fully_connected.h"
#include "tl_scalar.h"
#include "tl_weights.h"

typedef struct {
    const uint32_t *blocks;  /* [channels / 4][depth / 4][4], see TL_BLOCK */
    const uint32_t *columns; /* [channels / 4][depth % 4], see TL_COLUMN: what of the depth fills no block */
    const int8_t *rows;      /* [channels % 4][depth], plain: channels that fill no block */
    const int32_t *bias;     /* [channels], see TL_BIAS */
    int32_t depth, channels;
} tl_fc_s8_t;

#define TL_FC_SEGMENT (15 * 32) /* inputs; 480 * 128 * 128 < 2^23 */

/* sum of x + 128 */
static inline uint32_t tl_fc_biased_sum(const int8_t *x, int32_t depth)
{
    uint32_t sum = 0;
    int32_t left = depth;
#if TL_DSP
    for (; left >= 4; left -= 4, x += 4) {
        __asm__("usada8 %0, %1, %2, %0" : "+r"(sum) : "r"(tl_load4(x) ^ 0x80808080u), "r"(0));
    }
#endif
    for (; left > 0; left--) {
        sum += (uint32_t)(*x++ + 128);
    }
    return sum;
}

#if TL_DSP
/* low0 += x . rows 0, both0 += x . (rows 0 + 256 * rows 1); low1 and both1 of rows 2 and 3; depth: 4 */
#define TL_FC_STEP                                                                                                     \
    "ldr %[a], [%[x]], #4\n\tldr %[c], [%[w]], #4\n\tldr %[d], [%[w]], #4\n\tldr %[e], [%[w]], #4\n\t"                 \
    "ldr %[f], [%[w]], #4\n\tsxtb16 %[b], %[a], ror #8\n\tsxtb16 %[a], %[a]\n\t"                                       \
    "smlad %[both0], %[c], %[a], %[both0]\n\tuxtb16 %[c], %[c]\n\tsmlad %[low0], %[c], %[a], %[low0]\n\t"              \
    "smlad %[both0], %[d], %[b], %[both0]\n\tuxtb16 %[d], %[d]\n\tsmlad %[low0], %[d], %[b], %[low0]\n\t"              \
    "smlad %[both1], %[e], %[a], %[both1]\n\tuxtb16 %[e], %[e]\n\tsmlad %[low1], %[e], %[a], %[low1]\n\t"              \
    "smlad %[both1], %[f], %[b], %[both1]\n\tuxtb16 %[f], %[f]\n\tsmlad %[low1], %[f], %[b], %[low1]\n\t"

/* GCC would spill some of the twelve registers, so the instructions of a step are written out */
#define TL_FC_STEPS(STEPS)                                                                                             \
    do {                                                                                                               \
        uint32_t a, b, c, d, e, f;                                                                                     \
        __asm__ volatile(                                                                                              \
            STEPS                                                                                                      \
            : [x] "+r"(x), [w] "+r"(w), [low0] "+r"(low0), [both0] "+r"(both0), [low1] "+r"(low1),                     \
              [both1] "+r"(both1), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [e] "=&r"(e), [f] "=&r"(f)  \
            :                                                                                                          \
            : "memory");                                                                                               \
    } while (0)

/* what of the depth fills no block; returns the next group's columns */
static inline const uint32_t *tl_fc_columns_s8(int32_t *sums, const int8_t *x, const uint32_t *columns, int32_t count)
{
    for (int32_t left = count; left > 0; left--) {
        const uint32_t word = *columns++;
        const int32_t value = *x++;
        sums[0] = tl_wrapping_add(sums[0], (uint32_t)(value * (int32_t)(word & 0xFFu)));
        sums[1] = tl_wrapping_add(sums[1], (uint32_t)(value * (int8_t)(word >> 8)));
        sums[2] = tl_wrapping_add(sums[2], (uint32_t)(value * (int32_t)(word >> 16 & 0xFFu)));
        sums[3] = tl_wrapping_add(sums[3], (uint32_t)(value * (int8_t)(word >> 24)));
    }
    return columns;
}

/* sums..end = from + x[0..count - 1] . rows, four rows a time; `from` may be `sums`; start: what the sums over a biased
 * row are more. w: their first words, those of the next four rows `row` words on */
TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    const int8_t *const last = x + count, *const few = x + count % 32;
    for (; sums != end; sums += 4, from += 4, x -= count, w += row - count) {
        int32_t low0 = tl_wrapping_add(from[0], start), both0 = low0;
        int32_t low1 = tl_wrapping_add(from[2], start), both1 = low1;
        while (x != few) {
            TL_FC_STEPS(TL_FC_STEP);
        }
        while (x != last) {
            TL_FC_STEPS(TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP);
        }
        sums[0] = low0;
        sums[1] = from[1] + (tl_wrapping_add(both0, 0u - (uint32_t)low0) >> 8);
        sums[2] = low1;
        sums[3] = from[3] + (tl_wrapping_add(both1, 0u - (uint32_t)low1) >> 8);
    }
}

static inline int32_t tl_fc_row_s8(int32_t sum, const int8_t *x, const int8_t *w, int32_t depth)
{
    int32_t left = depth;
    for (; left >= 4; left -= 4, x += 4, w += 4) {
        const uint32_t word = tl_load4(x);
        sum = tl_dot_word(sum, tl_load4(w), tl_sxtb16(word), tl_sxtb16_ror8(word));
    }
    for (; left > 0; left--) {
        sum += *x++ * *w++;
    }
    return sum;
}
#else
typedef struct {
    uint32_t even, row2, odd, row3; /* even: row 0 + 2^16 * row 2, odd: row 1 + 2^16 * row 3 */
} tl_fc_lanes_t;

/* x: an input + 128; weights: a word of four rows */
static inline tl_fc_lanes_t tl_fc_column_s8(tl_fc_lanes_t lanes, uint32_t x, uint32_t weights)
{
    const uint32_t even = x * (weights & 0x00FF00FFu), odd = x * (weights >> 8 & 0x00FF00FFu);
    lanes.even += even;
    lanes.row2 += even >> 16;
    lanes.odd += odd;
    lanes.row3 += odd >> 16;
    return lanes;
}

#if defined(__ARM_ARCH_7M__) && !defined(TL_PORTABLE)
/* four inputs of tl_fc_column_s8 as GCC would write it had it a register more; X, W: byte offsets */
#define TL_FC_COLUMN_M3(INPUT, WORD)                                                                                   \
    INPUT "\n\tand %[p], %[" WORD "], #0x00FF00FF\n\tmul %[p], %[t], %[p]\n\tadd %[even], %[p]\n\t"                    \
          "add %[row2], %[row2], %[p], lsr #16\n\tand %[p], %[mask], %[" WORD "], lsr #8\n\t"                          \
          "mul %[p], %[t], %[p]\n\tadd %[odd], %[p]\n\tadd %[row3], %[row3], %[p], lsr #16\n\t"
#define TL_FC_STEP(X, W)                                                                                               \
    "ldr %[in], [%[x], #" #X "]\n\tldr %[a], [%[w], #" #W "]\n\tldr %[b], [%[w], #" #W " + 4]\n\t"                     \
    "eor %[in], %[in], #0x80808080\n\t" TL_FC_COLUMN_M3("uxtb %[t], %[in]", "a")                                       \
        TL_FC_COLUMN_M3("ubfx %[t], %[in], #8, #8",                                                                    \
                        "b") "ldr %[a], [%[w], #" #W " + 8]\n\t"                                                       \
                             "ldr %[b], [%[w], #" #W " + 12]\n\t" TL_FC_COLUMN_M3("ubfx %[t], %[in], #16, #8", "a")    \
                                 TL_FC_COLUMN_M3("lsr %[t], %[in], #24", "b")
#define TL_FC_STEPS(STEPS, COUNT)                                                                                      \
    do {                                                                                                               \
        uint32_t in, a, b, t, p;                                                                                       \
        __asm__ volatile(                                                                                              \
            STEPS "add %[x], #4 * " #COUNT "\n\tadd %[w], #16 * " #COUNT                                               \
            : [x] "+r"(x), [w] "+r"(w), [even] "+r"(lanes.even), [row2] "+r"(lanes.row2), [odd] "+r"(lanes.odd),       \
              [row3] "+r"(lanes.row3), [in] "=&r"(in), [a] "=&r"(a), [b] "=&r"(b), [t] "=&r"(t), [p] "=&r"(p)          \
            : [mask] "r"(0x00FF00FFu)                                                                                  \
            : "cc", "memory");                                                                                         \
    } while (0)

static inline tl_fc_lanes_t tl_fc_words_s8(tl_fc_lanes_t lanes, const int8_t *x, const uint32_t *w, int32_t count)
{
    const int8_t *const end = x + count;
    for (const int8_t *const last = end - 15; x < last;) {
        TL_FC_STEPS(TL_FC_STEP(0, 0) TL_FC_STEP(4, 16) TL_FC_STEP(8, 32) TL_FC_STEP(12, 48), 4);
    }
    while (x != end) {
        TL_FC_STEPS(TL_FC_STEP(0, 0), 1);
    }
    return lanes;
}
#else
static inline tl_fc_lanes_t tl_fc_words_s8(tl_fc_lanes_t lanes, const int8_t *x, const uint32_t *w, int32_t count)
{
    for (int32_t k = 0; k < count; k++) {
        lanes = tl_fc_column_s8(lanes, (uint32_t)(x[k] + 128), w[k]);
    }
    return lanes;
}
#endif

static inline void tl_fc_unpack(int32_t *sums, const int32_t *from, uint32_t start, tl_fc_lanes_t lanes)
{
    sums[0] = tl_wrapping_add(from[0], start + lanes.even - (lanes.row2 << 16));
    sums[1] = tl_wrapping_add(from[1], start + lanes.odd - (lanes.row3 << 16));
    sums[2] = tl_wrapping_add(from[2], start + lanes.row2);
    sums[3] = tl_wrapping_add(from[3], start + lanes.row3);
}

/* what of the depth fills no block; returns the next group's columns */
static inline const uint32_t *tl_fc_columns_s8(int32_t *sums, const int8_t *x, const uint32_t *columns, int32_t count)
{
    tl_fc_lanes_t lanes = {0, 0, 0, 0};
    for (int32_t left = count; left > 0; left--) {
        lanes = tl_fc_column_s8(lanes, (uint32_t)(*x++ + 128), *columns++);
    }
    tl_fc_unpack(sums, sums, 0, lanes);
    return columns;
}

/* sums..end = from + start + x[0..count - 1] . rows, four rows a time; `from` may be `sums`. w: their first words,
 * those of the next four rows `row` words on */
TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    for (; sums != end; sums += 4, from += 4, w += row) {
        tl_fc_unpack(sums, from, start, tl_fc_words_s8((tl_fc_lanes_t){0, 0, 0, 0}, x, w, count));
    }
}

static inline int32_t tl_fc_row_s8(int32_t sum, const int8_t *x, const int8_t *w, int32_t depth)
{
    for (int32_t left = depth; left > 0; left--) {
        sum += *x++ * *w++;
    }
    return sum;
}
#endif

#define TL_FC_CHUNK 32 /* sums that wait for their scaling */

/* what the sums over this input start from */
static inline uint32_t tl_fc_start_s8(const int8_t *x, int32_t depth)
{
    const uint32_t biased = tl_fc_biased_sum(x, depth);
#if TL_DSP
    return 128u * (128u * (uint32_t)depth - biased); /* -128 * the sum of x */
#else
    return 0u - 128u * biased;
#endif
}

/* sums of `count` channels from `channel` on, both multiples of four, with the bias */
TL_OWN void tl_fc_sums_s8(const int8_t *x, const tl_fc_s8_t *l, uint32_t start, int32_t channel, int32_t count,
                          int32_t *sums)
{
    const int32_t rest = l->depth % 4, full = l->depth - rest;
    const int32_t *from = l->bias + channel;
    const uint32_t *const blocks = l->blocks + channel / 4 * full;
    for (int32_t at = 0; at == 0 || at < full; at += TL_FC_SEGMENT) {
        tl_fc_groups_s8(sums, sums + count, from, start, x + at, blocks + at, full, tl_min(full - at, TL_FC_SEGMENT));
        from = sums;
        start = 0;
    }
    const uint32_t *columns = l->columns + channel / 4 * rest;
    for (int32_t *at = sums; rest > 0 && at < sums + count; at += 4) {
        columns = tl_fc_columns_s8(at, x + full, columns, rest);
    }
}

TL_OWN void tl_fully_connected_s8(const int8_t *x, const tl_fc_s8_t *l, const tl_scaling_t *scaling, int8_t *y)
{
    const int32_t grouped = l->channels - l->channels % 4;
    const uint32_t start = grouped == 0 ? 0 : tl_fc_start_s8(x, l->depth);
    for (int32_t channel = 0; channel < grouped;) {
        int32_t sums[TL_FC_CHUNK];
        const int32_t count = tl_min(grouped - channel, TL_FC_CHUNK);
        tl_fc_sums_s8(x, l, start, channel, count, sums);
        tl_fc_outputs_s8(sums, channel, count, scaling, y);
        channel += count;
    }
    const int8_t *row = l->rows;
    for (int32_t channel = grouped; channel < l->channels; channel++, row += l->depth) {
        y[channel] = (int8_t)tl_fc_output(tl_fc_row_s8(l->bias[channel], x, row, l->depth), channel, scaling);
    }
}

#endif
