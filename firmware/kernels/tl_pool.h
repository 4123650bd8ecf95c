/* AVERAGE_POOL_2D and MAX_POOL_2D, NHWC, batch 1. What lies outside the image is not counted. */
#ifndef TL_POOL_H
#define TL_POOL_H

#include "tl_depthwise.h"
#include "tl_scalar.h"

/* sum / count, rounded to nearest, halves away from zero */
static inline int32_t tl_rounded_mean(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

/* START and NEXT gather the values of a window, FINISH makes the output of them */
#define TL_POOL(NAME, ELEMENT, START, NEXT, FINISH)                                                                    \
    static inline void NAME(const ELEMENT *x, const tl_conv_shape_t s, int32_t low, int32_t high, ELEMENT *y)          \
    {                                                                                                                  \
        for (int32_t row = 0; row < s.out_height; row++) {                                                             \
            const int32_t top = row * s.stride_height - s.pad_height;                                                  \
            const int32_t first_row = tl_max(top, 0), last_row = tl_min(top + s.kernel_height, s.height);              \
            for (int32_t column = 0; column < s.out_width; column++) {                                                 \
                const int32_t left = column * s.stride_width - s.pad_width;                                            \
                const int32_t first = tl_max(left, 0), last = tl_min(left + s.kernel_width, s.width);                  \
                const int32_t count = (last_row - first_row) * (last - first);                                         \
                for (int32_t channel = 0; channel < s.channels; channel++) {                                           \
                    int32_t gathered = START;                                                                          \
                    for (int32_t h = first_row; h < last_row; h++) {                                                   \
                        for (int32_t w = first; w < last; w++) {                                                       \
                            gathered = NEXT(gathered, x[(h * s.width + w) * s.channels + channel]);                    \
                        }                                                                                              \
                    }                                                                                                  \
                    *y++ = (ELEMENT)tl_clamp(FINISH(gathered, count), low, high);                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

static inline int32_t tl_plus(int32_t a, int32_t b)
{
    return a + b;
}

static inline int32_t tl_first(int32_t value, int32_t count)
{
    (void)count;
    return value;
}

TL_POOL(tl_average_pool_s8, int8_t, 0, tl_plus, tl_rounded_mean)
TL_POOL(tl_average_pool_s16, int16_t, 0, tl_plus, tl_rounded_mean)
TL_POOL(tl_max_pool_s8, int8_t, INT8_MIN, tl_max, tl_first)
TL_POOL(tl_max_pool_s16, int16_t, INT16_MIN, tl_max, tl_first)

#endif
