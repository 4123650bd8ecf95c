/* Scalar steps of element-wise operators that are rarer than those of tl_fixed.h. */
#ifndef TL_SCALAR_H
#define TL_SCALAR_H

#include "tl_fixed.h"

static inline int32_t tl_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static inline int32_t tl_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* |x| < 2^15.5 */
static inline int32_t tl_square(int32_t x)
{
    return x * x;
}

#endif
