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
    for (; left >= 4; left -= 4, x += 4) {
        const uint32_t four = tl_load4(x) ^ 0x80808080u;
#if TL_DSP
        __asm__("usada8 %0, %1, %2, %0" : "+r"(sum) : "r"(four), "r"(0));
#else
        sum += ((four & 0x00FF00FFu) + (four >> 8 & 0x00FF00FFu)) * 0x10001u >> 16;
#endif
    }
    for (; left > 0; left--) {
        sum += (uint32_t)(*x++ + 128);
    }
    return sum;
}

#if TL_DSP
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
#if TL_ALL_REGISTERS
/* low0 += x . rows 0, both0 += x . (rows 0 + 256 * rows 1); low1 and both1 of rows 2 and 3; depth: 4. All instructions
 * are of four bytes: the loop is entered in its midst. GCC would spill some of the registers. */
#define TL_FC_STEP                                                                                                     \
    "ldr.w %[a], [%[x]], #4\n\tldr.w %[c], [%[w]], #4\n\tldr.w %[d], [%[w]], #4\n\tldr.w %[e], [%[w]], #4\n\t"         \
    "ldr.w %[f], [%[w]], #4\n\tsxtb16.w %[b], %[a], ror #8\n\tsxtb16.w %[a], %[a]\n\t"                                 \
    "smlad %[both0], %[c], %[a], %[both0]\n\tuxtb16.w %[c], %[c]\n\tsmlad %[low0], %[c], %[a], %[low0]\n\t"            \
    "smlad %[both0], %[d], %[b], %[both0]\n\tuxtb16.w %[d], %[d]\n\tsmlad %[low0], %[d], %[b], %[low0]\n\t"            \
    "smlad %[both1], %[e], %[a], %[both1]\n\tuxtb16.w %[e], %[e]\n\tsmlad %[low1], %[e], %[a], %[low1]\n\t"            \
    "smlad %[both1], %[f], %[b], %[both1]\n\tuxtb16.w %[f], %[f]\n\tsmlad %[low1], %[f], %[b], %[low1]\n\t"
#define TL_FC_STEP_BYTES (19 * 4)
#define TL_FC_AT_ONCE 8

TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    const int8_t *const last = x + count;
    const int32_t steps = count / 4, apart = (int32_t)((intptr_t)from - (intptr_t)sums), more = 4 * (row - count);
    /* where the loop is entered, with no steps at its end */
    volatile uint32_t entry =
        steps == 0 ? TL_FC_AT_ONCE * TL_FC_STEP_BYTES + 6 : (uint32_t)(-steps & (TL_FC_AT_ONCE - 1)) * TL_FC_STEP_BYTES;
    int32_t low0, both0, low1, both1;
    uint32_t a, b, c, d, e, f;
    const int8_t *at;
    __asm__ volatile(
        "adr %[a], 2f\n\t"
        "ldr %[b], %[entry]\n\t"
        "add %[b], %[a]\n\t"
        "str %[b], %[entry]\n"
        "1:\n\t"
        "ldr %[f], %[apart]\n\t"
        "ldr %[x], %[begin]\n\t"
        "ldr %[e], %[start]\n\t"
        "ldr %[d], %[entry]\n\t"
        "add %[f], %[sums]\n\t"
        "ldr %[low0], [%[f]]\n\t"
        "ldr %[low1], [%[f], #8]\n\t"
        "add %[low0], %[e]\n\t"
        "add %[low1], %[e]\n\t"
        "mov %[both0], %[low0]\n\t"
        "mov %[both1], %[low1]\n\t"
        "mov pc, %[d]\n\t"
        ".p2align 3\n"
        "2:\n\t" TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP TL_FC_STEP
        "cmp %[x], %[last]\n\t"
        "bne.w 2b\n\t"
        "ldr %[f], %[apart]\n\t"
        "ldr %[c], %[more]\n\t"
        "ldr %[d], %[end]\n\t"
        "add %[f], %[sums]\n\t"
        "sub %[both0], %[both0], %[low0]\n\t"
        "ldr %[a], [%[f], #4]\n\t"
        "ldr %[b], [%[f], #12]\n\t"
        "sub %[both1], %[both1], %[low1]\n\t"
        "add %[both0], %[a], %[both0], asr #8\n\t"
        "add %[both1], %[b], %[both1], asr #8\n\t"
        "str %[low0], [%[sums]], #4\n\t"
        "str %[both0], [%[sums]], #4\n\t"
        "str %[low1], [%[sums]], #4\n\t"
        "str %[both1], [%[sums]], #4\n\t"
        "add %[w], %[c]\n\t"
        "cmp %[sums], %[d]\n\t"
        "bne.w 1b\n\t"
        : [x] "=&r"(at), [w] "+r"(w), [sums] "+r"(sums), [low0] "=&r"(low0), [both0] "=&r"(both0), [low1] "=&r"(low1),
          [both1] "=&r"(both1), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&l"(d), [e] "=&r"(e), [f] "=&r"(f)
        : [last] "r"(last), [entry] "m"(entry), [begin] "m"(x), [apart] "m"(apart), [start] "m"(start),
          [more] "m"(more), [end] "m"(end)
        : "cc", "memory");
}
#else
TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    for (; sums != end; sums += 4, from += 4, w += row - count) {
        int32_t low0 = tl_wrapping_add(from[0], start), both0 = low0;
        int32_t low1 = tl_wrapping_add(from[2], start), both1 = low1;
        for (int32_t k = 0; k < count; k += 4, w += 4) {
            const uint32_t even = tl_sxtb16(tl_load4(x + k)), odd = tl_sxtb16_ror8(tl_load4(x + k));
            both0 = tl_smlad(w[1], odd, tl_smlad(w[0], even, both0));
            low0 = tl_smlad(w[1] & 0xFF00FFu, odd, tl_smlad(w[0] & 0xFF00FFu, even, low0));
            both1 = tl_smlad(w[3], odd, tl_smlad(w[2], even, both1));
            low1 = tl_smlad(w[3] & 0xFF00FFu, odd, tl_smlad(w[2] & 0xFF00FFu, even, low1));
        }
        sums[0] = low0;
        sums[1] = from[1] + (tl_wrapping_add(both0, 0u - (uint32_t)low0) >> 8);
        sums[2] = low1;
        sums[3] = from[3] + (tl_wrapping_add(both1, 0u - (uint32_t)low1) >> 8);
    }
}
#endif

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

static inline tl_fc_lanes_t tl_fc_words_s8(tl_fc_lanes_t lanes, const int8_t *x, const uint32_t *w, int32_t count)
{
    for (int32_t k = 0; k < count; k++) {
        lanes = tl_fc_column_s8(lanes, (uint32_t)(x[k] + 128), w[k]);
    }
    return lanes;
}

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
#if defined(__ARM_ARCH_7M__) && TL_ALL_REGISTERS && !defined(TL_PORTABLE)
/* Four inputs of tl_fc_column_s8 as GCC would write it had it a register more; X, W: byte offsets. All instructions are
 * of four bytes: the loop is entered in its midst. */
#define TL_FC_COLUMN_M3(INPUT, WORD)                                                                                   \
    INPUT "\n\tand.w %[p], %[" WORD "], #0x00FF00FF\n\tmul %[p], %[t], %[p]\n\tadd.w %[even], %[even], %[p]\n\t"       \
          "add.w %[row2], %[row2], %[p], lsr #16\n\tand.w %[p], %[mask], %[" WORD "], lsr #8\n\t"                      \
          "mul %[p], %[t], %[p]\n\tadd.w %[odd], %[odd], %[p]\n\tadd.w %[row3], %[row3], %[p], lsr #16\n\t"
#define TL_FC_STEP(X, W)                                                                                               \
    "ldr.w %[in], [%[x], #" #X "]\n\tldr.w %[a], [%[w], #" #W "]\n\tldr.w %[b], [%[w], #" #W " + 4]\n\t"               \
    "eor.w %[in], %[in], #0x80808080\n\t" TL_FC_COLUMN_M3("uxtb.w %[t], %[in]", "a")                                   \
        TL_FC_COLUMN_M3("ubfx %[t], %[in], #8, #8",                                                                    \
                        "b") "ldr.w %[a], [%[w], #" #W " + 8]\n\t"                                                     \
                             "ldr.w %[b], [%[w], #" #W " + 12]\n\t" TL_FC_COLUMN_M3("ubfx %[t], %[in], #16, #8", "a")  \
                                 TL_FC_COLUMN_M3("lsr.w %[t], %[in], #24", "b")
#define TL_FC_STEP_BYTES (42 * 4)
#define TL_FC_AT_ONCE 4

TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    const int32_t steps = count / 4, skipped = -steps & (TL_FC_AT_ONCE - 1);
    const int8_t *const begin = x - 4 * skipped, *const last = x + count;
    const int32_t apart = (int32_t)((intptr_t)from - (intptr_t)sums), back = 16 * skipped, more = 4 * (row - count);
    /* where the loop is entered, with no steps at its end */
    volatile uint32_t entry =
        steps == 0 ? TL_FC_AT_ONCE * TL_FC_STEP_BYTES + 8 : (uint32_t)(skipped * TL_FC_STEP_BYTES);
    uint32_t even, row2, odd, row3, in, a, b, t, p;
    const int8_t *at;
    __asm__ volatile(
        "adr %[a], 2f\n\t"
        "ldr %[b], %[entry]\n\t"
        "add %[b], %[a]\n\t"
        "str %[b], %[entry]\n"
        "1:\n\t"
        "ldr %[b], %[apart]\n\t"
        "ldr %[x], %[begin]\n\t"
        "ldr %[a], %[start]\n\t"
        "ldr %[p], %[back]\n\t"
        "ldr %[t], %[entry]\n\t"
        "add %[b], %[sums]\n\t"
        "sub %[w], %[p]\n\t"
        "ldr %[even], [%[b]]\n\t"
        "ldr %[odd], [%[b], #4]\n\t"
        "ldr %[row2], [%[b], #8]\n\t"
        "ldr %[row3], [%[b], #12]\n\t"
        "add %[row2], %[a]\n\t"
        "add %[row3], %[a]\n\t"
        "add %[even], %[a]\n\t"
        "add %[odd], %[a]\n\t"
        "add %[even], %[even], %[row2], lsl #16\n\t"
        "add %[odd], %[odd], %[row3], lsl #16\n\t"
        "mov pc, %[t]\n\t"
        ".p2align 3\n"
        "2:\n\t" TL_FC_STEP(0, 0) TL_FC_STEP(4, 16) TL_FC_STEP(8, 32)
            TL_FC_STEP(12, 48) "add.w %[x], %[x], #16\n\t"
                               "add.w %[w], %[w], #64\n\t"
                               "cmp %[x], %[last]\n\t"
                               "bne.w 2b\n\t"
                               "ldr %[a], %[more]\n\t"
                               "ldr %[b], %[end]\n\t"
                               "sub %[even], %[even], %[row2], lsl #16\n\t"
                               "sub %[odd], %[odd], %[row3], lsl #16\n\t"
                               "str %[even], [%[sums]], #4\n\t"
                               "str %[odd], [%[sums]], #4\n\t"
                               "str %[row2], [%[sums]], #4\n\t"
                               "str %[row3], [%[sums]], #4\n\t"
                               "add %[w], %[a]\n\t"
                               "cmp %[sums], %[b]\n\t"
                               "bne.w 1b\n\t"
        : [x] "=&r"(at), [w] "+r"(w), [sums] "+r"(sums), [even] "=&r"(even), [row2] "=&r"(row2), [odd] "=&r"(odd),
          [row3] "=&r"(row3), [in] "=&r"(in), [a] "=&r"(a), [b] "=&r"(b), [t] "=&l"(t), [p] "=&r"(p)
        : [last] "r"(last), [mask] "r"(0x00FF00FFu), [entry] "m"(entry), [begin] "m"(begin), [apart] "m"(apart),
          [start] "m"(start), [back] "m"(back), [more] "m"(more), [end] "m"(end)
        : "cc", "memory");
}
#else
TL_SHARED void tl_fc_groups_s8(int32_t *sums, const int32_t *end, const int32_t *from, uint32_t start, const int8_t *x,
                               const uint32_t *w, int32_t row, int32_t count)
{
    for (; sums != end; sums += 4, from += 4, w += row) {
        tl_fc_unpack(sums, from, start, tl_fc_words_s8((tl_fc_lanes_t){0, 0, 0, 0}, x, w, count));
    }
}
#endif

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
