/* BATCH_MATMUL: one product of matrices; the generated code walks the batches. Strides are in elements. */
#ifndef TL_BATCH_MATMUL_H
#define TL_BATCH_MATMUL_H

#include "tl_fixed.h"

typedef struct {
    int32_t rows, depth, columns;
    int32_t a_row, a_depth, b_column, b_depth; /* strides */
    int32_t a_zero, b_zero, multiplier, shift, zero_point;
} tl_matmul_t;

static inline int32_t tl_matmul_output_s8(int32_t sum, const tl_matmul_t *m)
{
    sum = m->shift > 0 ? tl_scale_up(sum, m->multiplier, m->shift) : tl_scale_down_sum(sum, m->multiplier, -m->shift);
    return tl_sat8(sum + m->zero_point);
}

static inline int32_t tl_matmul_output_s16(int64_t sum, const tl_matmul_t *m)
{
    return tl_sat16(tl_requantise_wide(sum, m->multiplier, m->shift) + m->zero_point);
}

#define TL_BATCH_MATMUL(SUFFIX, ELEMENT, SUM)                                                                          \
    static inline void tl_batch_matmul_##SUFFIX(const ELEMENT *a, const ELEMENT *b, const tl_matmul_t *m, ELEMENT *y)  \
    {                                                                                                                  \
        for (int32_t row = 0; row < m->rows; row++) {                                                                  \
            for (int32_t column = 0; column < m->columns; column++) {                                                  \
                const ELEMENT *left = a + row * m->a_row, *right = b + column * m->b_column;                           \
                SUM sum = 0;                                                                                           \
                for (int32_t k = m->depth; k > 0; k--, left += m->a_depth, right += m->b_depth) {                      \
                    sum += (*left - m->a_zero) * (*right - m->b_zero);                                                 \
                }                                                                                                      \
                *y++ = (ELEMENT)tl_matmul_output_##SUFFIX(sum, m);                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_BATCH_MATMUL(s8, int8_t, int32_t)
TL_BATCH_MATMUL(s16, int16_t, int64_t)

#endif
