/* Time of inertial samples and ranges: microseconds of one clock, which does not wrap within 500,000 years. */
#ifndef TL_TIME_H
#define TL_TIME_H

#include <stdint.h>

typedef uint64_t tl_time_t;

/* Microseconds from `before` to `now`: 0 when time did not advance, at most 35 minutes. */
static inline int32_t tl_passed_us(tl_time_t now, tl_time_t before) {
    tl_time_t passed = now > before ? now - before : 0;
    return passed > INT32_MAX ? INT32_MAX : (int32_t)passed;
}

#endif
