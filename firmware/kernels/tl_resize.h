/* RESIZE_BILINEAR, NHWC. A row of `rows` and `columns` is (first place, second place, weight of the second of 1024). */
#ifndef TL_RESIZE_H
#define TL_RESIZE_H

#include <stdint.h>

/* sum / 2^20, halves away from zero */
static inline int32_t tl_blend_round(int64_t sum)
{
    return (int32_t)((sum + (sum >> 63) + (1 << 19)) >> 20);
}

#define TL_RESIZE_BILINEAR(NAME, ELEMENT)                                                                              \
    static inline void NAME(const ELEMENT *x, const int16_t *rows, const int16_t *columns, int32_t height,             \
                            int32_t width, int32_t row_size, int32_t depth, ELEMENT *y)                                \
    {                                                                                                                  \
        for (int32_t i = 0; i < height; i++) {                                                                         \
            const ELEMENT *upper = x + rows[3 * i] * row_size * depth;                                                 \
            const ELEMENT *lower = x + rows[3 * i + 1] * row_size * depth;                                             \
            const int32_t down = rows[3 * i + 2], up = 1024 - down;                                                    \
            for (int32_t j = 0; j < width; j++) {                                                                      \
                const int32_t left = columns[3 * j] * depth, right = columns[3 * j + 1] * depth;                       \
                const int32_t over = columns[3 * j + 2], back = 1024 - over;                                           \
                for (int32_t c = 0; c < depth; c++) {                                                                  \
                    const int32_t above = upper[left + c] * back + upper[right + c] * over;                            \
                    const int32_t below = lower[left + c] * back + lower[right + c] * over;                            \
                    *y++ = (ELEMENT)tl_blend_round((int64_t)above * up + (int64_t)below * down);                       \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_RESIZE_BILINEAR(tl_resize_bilinear_s8, int8_t)
TL_RESIZE_BILINEAR(tl_resize_bilinear_s16, int16_t)

#endif
