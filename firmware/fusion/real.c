#include "fusion/real.h"

float tl_sqrt(float value) {
    if (!(value > 0.0f)) {
        return 0.0f;
    }
#if defined(__ARM_FP) && (__ARM_FP & 4)
    float root;
    __asm("vsqrt.f32 %0, %1" : "=t"(root) : "t"(value));
    return root;
#else
    union {
        float real;
        uint32_t bits;
    } guess = {.real = value};
    guess.bits = (guess.bits >> 1) + 0x1FBB4F2Eu; /* half the exponent: within 4 % */
    float root = guess.real;
    root = 0.5f * (root + value / root);
    root = 0.5f * (root + value / root);
    return 0.5f * (root + value / root);
#endif
}

float tl_exp(float value) {
    /* 2^whole * e^rest, rest within half of ln 2 */
    float turns = value * 1.44269504f;
    int32_t whole = (int32_t)(turns + (turns < 0.0f ? -0.5f : 0.5f));
    float rest = (value - (float)whole * 0.693359375f) + (float)whole * 2.12194440e-4f;
    float sum = 1.0f / 720.0f;
    sum = sum * rest + 1.0f / 120.0f;
    sum = sum * rest + 1.0f / 24.0f;
    sum = sum * rest + 1.0f / 6.0f;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    union {
        uint32_t bits;
        float real;
    } power = {.bits = (uint32_t)(whole + 127) << 23};
    return sum * power.real;
}

void tl_sincos(float angle, float *sine, float *cosine) {
    /* to within a quarter of pi, and turn back by quarters */
    float quarters = angle * 0.636619772f;
    int32_t turn = (int32_t)(quarters + (quarters < 0.0f ? -0.5f : 0.5f));
    float x = (angle - (float)turn * 1.5703125f) - (float)turn * 4.83826794897e-4f;
    float square = x * x;
    float s = x + x * square * (-1.66666667e-1f + square * (8.33333333e-3f - square * 1.98412698e-4f));
    float c = 1.0f + square * (-0.5f + square * (4.16666667e-2f - square * (1.38888889e-3f - square * 2.48015873e-5f)));
    float sines[4] = {s, c, -s, -c};
    *sine = sines[(uint32_t)turn & 3u];
    *cosine = sines[((uint32_t)turn + 1u) & 3u];
}
