/* SVDF in int8 with a state of int16 or int8. The specification is codegen/operators/svdf.py. */
#ifndef TL_SVDF_H
#define TL_SVDF_H

#include "tl_depthwise.h"
#include "tl_fully_connected_s8.h"

typedef struct {
    const tl_fc_s8_t *feature; /* a row a filter, and rows of zeros up to whole blocks; zero point folded in */
    const void *time;          /* [filter][memory], oldest first, in the type of the state */
    const int32_t *bias;       /* a unit */
    int32_t inputs, filters, memory, rank;
    int32_t state_multiplier, state_shift, state_zero;
    int32_t multiplier, shift, zero_point;
} tl_svdf_t;

/* `state` may be `before`. Sums over time wrap around at 32 bits, as in LiteRT. */
#define TL_SVDF(NAME, STATE, SATURATE)                                                                                 \
    TL_SHARED void NAME(const tl_svdf_t *l, const int8_t *x, const STATE *before, int8_t *y, STATE *state)             \
    {                                                                                                                  \
        const uint32_t start = tl_fc_start_s8(x, l->inputs);                                                           \
        const STATE *time = (const STATE *)l->time;                                                                    \
        int32_t sums[TL_FC_CHUNK], left = l->rank;                                                                     \
        const int32_t *bias = l->bias;                                                                                 \
        uint32_t sum = (uint32_t)*bias;                                                                                \
        for (int32_t filter = 0; filter < l->filters; filter++) {                                                      \
            const int32_t at = filter % TL_FC_CHUNK;                                                                   \
            if (at == 0) {                                                                                             \
                tl_fc_sums_s8(x, l->feature, start, filter, tl_min(l->feature->channels - filter, TL_FC_CHUNK), sums); \
            }                                                                                                          \
            const int32_t scaled = tl_depthwise_twice(sums[at], l->state_multiplier, l->state_shift);                  \
            const STATE newest = (STATE)(SATURATE(scaled) + l->state_zero);                                            \
            for (int32_t i = 1; i < l->memory; i++) {                                                                  \
                const STATE value = *++before;                                                                         \
                *state++ = value;                                                                                      \
                sum += (uint32_t)(*time++ * (value - l->state_zero));                                                  \
            }                                                                                                          \
            before++;                                                                                                  \
            *state++ = newest;                                                                                         \
            sum += (uint32_t)(*time++ * (newest - l->state_zero));                                                     \
            if (--left == 0) {                                                                                         \
                const int32_t result = tl_scale_down_sum((int32_t)sum, l->multiplier, l->shift);                       \
                *y++ = (int8_t)tl_sat8(result + l->zero_point);                                                        \
                left = l->rank;                                                                                        \
                if (filter + 1 < l->filters) {                                                                         \
                    sum = (uint32_t) * ++bias;                                                                         \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

TL_SVDF(tl_svdf_s16, int16_t, tl_sat16)
TL_SVDF(tl_svdf_s8, int8_t, tl_sat8)

#endif
