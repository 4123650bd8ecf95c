/* BATCH_MATMUL: one product of matrices; the generated code walks the batches. Strides are in elements.
 *
 * On the Cortex-M4 SXTAB16 makes two int8 less their zero point in one instruction: four products of rows and columns
 * that both lie in one piece are two SMLAD, and where a row of b lies in one piece, four columns are summed up
 * together.
 */
#ifndef TL_BATCH_MATMUL_H
#define TL_BATCH_MATMUL_H

#include "tl_fixed.h"

typedef struct {
    int32_t rows, depth, columns;
    int32_t a_row, a_depth, b_column, b_depth; /* strides */
    int32_t a_zero, b_zero, multiplier, shift, zero_point;
    int32_t narrow, half; /* narrow: sums of 30 bits, a factor below 1/2, a shift down, and half = 2^(shift - 1) */
} tl_matmul_t;

TL_INLINE int32_t tl_matmul_output_s8(int32_t sum, const tl_matmul_t *m)
{
    if (m->narrow) {
        const int32_t twice = (int32_t)((uint32_t)sum << 1);
        return tl_sat8(((tl_high_rounded(twice, m->multiplier, m->half) + (twice >> 31)) >> m->shift) + m->zero_point);
    }
    sum = m->shift > 0 ? tl_scale_up(sum, m->multiplier, m->shift) : tl_scale_down_sum(sum, m->multiplier, -m->shift);
    return tl_sat8(sum + m->zero_point);
}

static inline int32_t tl_matmul_output_s16(int64_t sum, const tl_matmul_t *m)
{
    return tl_sat16(tl_requantise_wide(sum, m->multiplier, m->shift) + m->zero_point);
}

#define TL_MATMUL_SUM(SUFFIX, ELEMENT, SUM)                                                                            \
    static inline SUM tl_matmul_sum_##SUFFIX(const ELEMENT *left, const ELEMENT *right, const tl_matmul_t *m)          \
    {                                                                                                                  \
        SUM sum = 0;                                                                                                   \
        for (int32_t k = m->depth; k > 0; k--, left += m->a_depth, right += m->b_depth) {                              \
            sum += (*left - m->a_zero) * (*right - m->b_zero);                                                         \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
TL_MATMUL_SUM(s8, int8_t, int32_t)
TL_MATMUL_SUM(s16, int16_t, int64_t)

#if TL_DSP
/* less + bytes 0 and 2, and less + bytes 1 and 3, in halves */
static inline uint32_t tl_sxtab16(uint32_t less, uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtab16 %0, %1, %2" : "=r"(halves) : "r"(less), "r"(bytes));
    return halves;
}

static inline uint32_t tl_sxtab16_ror8(uint32_t less, uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(less), "r"(bytes));
    return halves;
}

/* two halves of -zero */
static inline uint32_t tl_both_less(int32_t zero)
{
    return ((uint32_t)-zero & 0xFFFFu) * 0x10001u;
}
#endif

/* a row and a column that both lie in one piece */
TL_INLINE int32_t tl_matmul_pieces_s8(const int8_t *a, const int8_t *b, const tl_matmul_t *m)
{
    int32_t sum = 0, k = m->depth;
    for (; k >= 4; k -= 4, a += 4, b += 4) {
#if TL_DSP
        const uint32_t less_a = tl_both_less(m->a_zero), less_b = tl_both_less(m->b_zero);
        const uint32_t left = tl_load4(a), right = tl_load4(b);
        sum = tl_smlad(tl_sxtab16(less_a, left), tl_sxtab16(less_b, right), sum);
        sum = tl_smlad(tl_sxtab16_ror8(less_a, left), tl_sxtab16_ror8(less_b, right), sum);
#else
        sum += (a[0] - m->a_zero) * (b[0] - m->b_zero) + (a[1] - m->a_zero) * (b[1] - m->b_zero);
        sum += (a[2] - m->a_zero) * (b[2] - m->b_zero) + (a[3] - m->a_zero) * (b[3] - m->b_zero);
#endif
    }
    for (; k > 0; k--) {
        sum += (*a++ - m->a_zero) * (*b++ - m->b_zero);
    }
    return sum;
}

#if TL_DSP
/* sums of four rows with a column, four products at a time */
#define TL_MATMUL_ROW(SUM, ROW)                                                                                        \
    do {                                                                                                               \
        const uint32_t left = tl_load4(a + (ROW)*m->a_row);                                                            \
        SUM = tl_smlad(tl_sxtab16(less_a, left), even, SUM);                                                           \
        SUM = tl_smlad(tl_sxtab16_ror8(less_a, left), odd, SUM);                                                       \
    } while (0)
#endif

/* four outputs of a column, of rows that follow one another; rows and column both lie in one piece */
TL_INLINE void tl_matmul_rows_s8(const int8_t *a, const int8_t *b, const tl_matmul_t *m, int8_t *y)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, k = m->depth;
#if TL_DSP
    const uint32_t less_a = tl_both_less(m->a_zero), less_b = tl_both_less(m->b_zero);
    for (; k >= 4; k -= 4, a += 4, b += 4) {
        const uint32_t right = tl_load4(b), even = tl_sxtab16(less_b, right), odd = tl_sxtab16_ror8(less_b, right);
        TL_MATMUL_ROW(s0, 0);
        TL_MATMUL_ROW(s1, 1);
        TL_MATMUL_ROW(s2, 2);
        TL_MATMUL_ROW(s3, 3);
    }
#endif
    int32_t sum = 0; /* of the column, times the zero point of the rows */
    for (; k > 0; k--, a++) {
        const int32_t value = *b++ - m->b_zero;
        sum += value;
        s0 += a[0] * value;
        s1 += a[m->a_row] * value;
        s2 += a[2 * m->a_row] * value;
        s3 += a[3 * m->a_row] * value;
    }
    sum *= m->a_zero;
    y[0] = (int8_t)tl_matmul_output_s8(s0 - sum, m);
    y[m->columns] = (int8_t)tl_matmul_output_s8(s1 - sum, m);
    y[2 * m->columns] = (int8_t)tl_matmul_output_s8(s2 - sum, m);
    y[3 * m->columns] = (int8_t)tl_matmul_output_s8(s3 - sum, m);
}

#if TL_DSP
/* what value number BOTTOM or TOP of a pair adds to four columns */
#define TL_MATMUL_COLUMNS(HALF, PAIR)                                                                                  \
    do {                                                                                                               \
        const uint32_t four = tl_load4(b), even = tl_sxtab16(less, four), odd = tl_sxtab16_ror8(less, four);           \
        __asm__("smlab" HALF " %0, %1, %2, %0" : "+r"(s0) : "r"(even), "r"(PAIR));                                     \
        __asm__("smlab" HALF " %0, %1, %2, %0" : "+r"(s1) : "r"(odd), "r"(PAIR));                                      \
        __asm__("smlat" HALF " %0, %1, %2, %0" : "+r"(s2) : "r"(even), "r"(PAIR));                                     \
        __asm__("smlat" HALF " %0, %1, %2, %0" : "+r"(s3) : "r"(odd), "r"(PAIR));                                      \
        b += m->b_depth;                                                                                               \
    } while (0)
#endif

/* four outputs of a row, of columns that lie side by side */
TL_INLINE void tl_matmul_columns_s8(const int8_t *a, const int8_t *b, const tl_matmul_t *m, int8_t *y)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, k = m->depth;
#if TL_DSP
    const uint32_t less = tl_both_less(m->b_zero), less_a = tl_both_less(m->a_zero);
    for (; m->a_depth == 1 && k >= 4; k -= 4, a += 4) {
        const uint32_t values = tl_load4(a), first = tl_sxtab16(less_a, values),
                       second = tl_sxtab16_ror8(less_a, values);
        TL_MATMUL_COLUMNS("b", first);
        TL_MATMUL_COLUMNS("b", second);
        TL_MATMUL_COLUMNS("t", first);
        TL_MATMUL_COLUMNS("t", second);
    }
#endif
    for (; k > 0; k--, a += m->a_depth) {
        const int32_t value = *a - m->a_zero;
#if TL_DSP
        TL_MATMUL_COLUMNS("b", value);
#else
        s0 += value * (b[0] - m->b_zero);
        s1 += value * (b[1] - m->b_zero);
        s2 += value * (b[2] - m->b_zero);
        s3 += value * (b[3] - m->b_zero);
        b += m->b_depth;
#endif
    }
    y[0] = (int8_t)tl_matmul_output_s8(s0, m);
    y[1] = (int8_t)tl_matmul_output_s8(s1, m);
    y[2] = (int8_t)tl_matmul_output_s8(s2, m);
    y[3] = (int8_t)tl_matmul_output_s8(s3, m);
}

/* `m` is known where this is inlined, so that one of the forms remains */
TL_INLINE void tl_batch_matmul_s8(const int8_t *a, const int8_t *b, const tl_matmul_t *m, int8_t *y)
{
    const int32_t pieces = m->a_depth == 1 && m->b_depth == 1;
    int32_t row = 0;
    for (; pieces && row + 4 <= m->rows; row += 4, a += 4 * m->a_row, y += 4 * m->columns) {
        for (int32_t column = 0; column < m->columns; column++) {
            tl_matmul_rows_s8(a, b + column * m->b_column, m, y + column);
        }
    }
    for (; row < m->rows; row++, a += m->a_row, y += m->columns) {
        int32_t column = 0;
        if (pieces) {
            for (; column < m->columns; column++) {
                const int32_t sum = tl_matmul_pieces_s8(a, b + column * m->b_column, m);
                y[column] = (int8_t)tl_matmul_output_s8(sum, m);
            }
        } else if (m->b_column == 1) {
            for (; column + 4 <= m->columns; column += 4) {
                tl_matmul_columns_s8(a, b + column, m, y + column);
            }
        }
        for (; column < m->columns; column++) {
            y[column] = (int8_t)tl_matmul_output_s8(tl_matmul_sum_s8(a, b + column * m->b_column, m), m);
        }
    }
}

TL_INLINE void tl_batch_matmul_s16(const int16_t *a, const int16_t *b, const tl_matmul_t *m, int16_t *y)
{
    for (int32_t row = 0; row < m->rows; row++, a += m->a_row) {
        for (int32_t column = 0; column < m->columns; column++) {
            *y++ = (int16_t)tl_matmul_output_s16(tl_matmul_sum_s16(a, b + column * m->b_column, m), m);
        }
    }
}

#endif
