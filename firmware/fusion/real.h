/* Single-precision functions without a C library: the images link none. */
#ifndef TL_REAL_H
#define TL_REAL_H

#include <stdbool.h>
#include <stdint.h>

/* False for NaN and the infinities. Looks at the bits, so that no compiler option can optimise it away. */
static inline bool tl_finite(float value) {
    union {
        float real;
        uint32_t bits;
    } both = {.real = value};
    return (both.bits & 0x7F800000u) != 0x7F800000u;
}

static inline float tl_real_min(float a, float b) {
    return a < b ? a : b;
}

static inline float tl_real_max(float a, float b) {
    return a > b ? a : b;
}

static inline float tl_real_abs(float a) {
    return a < 0.0f ? -a : a;
}

static inline float tl_clip(float a, float low, float high) {
    return tl_real_min(tl_real_max(a, low), high);
}

/* Square root; 0 for what is not positive. One instruction on parts with an FPU. */
float tl_sqrt(float value);

/* e to the power of value, for -80..80; relative error below 3e-7. */
float tl_exp(float value);

/* Sine and cosine, for -4..4 radians; error below 5e-7. */
void tl_sincos(float angle, float *sine, float *cosine);

#endif
