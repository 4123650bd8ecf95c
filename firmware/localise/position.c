#include "localise/position.h"

#if TL_POSITION

TL_STATIC_ASSERT(weights_are_tabled_by_differences_of_int8_scores, sizeof(tl_score_t) == 1);

/* sum / total, to the nearest, halves up; total > 0 */
static int32_t mean(int64_t sum, uint32_t total) {
    const int64_t above = 2 * sum + (int64_t)total;
    const int64_t below = 2 * (int64_t)total;
    const int64_t toward_zero = above / below;
    return (int32_t)(above < 0 && toward_zero * below != above ? toward_zero - 1 : toward_zero);
}

void tl_position_mean(const tl_score_t *scores, int32_t position_mm[2]) {
    const int32_t classes = TL_CLASS_COUNT, heaviest = TL_POSITION_WEIGHTS;
    const uint16_t *const weights = tl_position_weights;
    const int16_t *const places = tl_position_places;
    int32_t best = scores[0];
    for (uint16_t c = 1; c < classes; c++) {
        best = scores[c] > best ? scores[c] : best;
    }
    uint32_t total = 0; /* at most 32767 classes of 16 bits */
    int64_t x = 0;
    int64_t y = 0;
    for (uint16_t c = 0; c < classes; c++) {
        const int32_t behind = best - scores[c];
        if (behind < heaviest) {
            const uint16_t weight = weights[behind];
            total += weight;
            x += (int64_t)weight * places[2 * c];
            y += (int64_t)weight * places[2 * c + 1];
        }
    }
    position_mm[0] = TL_POSITION_X_MM + mean(x * TL_POSITION_UNIT_MM, total);
    position_mm[1] = TL_POSITION_Y_MM + mean(y * TL_POSITION_UNIT_MM, total);
}

#if TL_SCAN
/* floor of the root */
static uint32_t root(uint64_t square) {
    uint64_t found = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit != 0; bit >>= 2) {
        if (square >= found + bit) {
            square -= found + bit;
            found = (found >> 1) + bit;
        } else {
            found >>= 1;
        }
    }
    return (uint32_t)found;
}

int32_t tl_position_spread(const tl_score_t *scores, const int32_t position_mm[2]) {
    int32_t best = scores[0];
    for (uint16_t c = 1; c < TL_CLASS_COUNT; c++) {
        best = scores[c] > best ? scores[c] : best;
    }
    uint64_t total = 0;
    uint64_t squares = 0; /* weights of 16 bits, squares in units of TL_POSITION_UNIT_MM squared */
    for (uint16_t c = 0; c < TL_CLASS_COUNT; c++) {
        const int32_t behind = best - scores[c];
        if (behind < TL_POSITION_WEIGHTS) {
            const uint16_t weight = tl_position_weights[behind];
            const int64_t x = (int64_t)tl_position_places[2 * c] * TL_POSITION_UNIT_MM + TL_POSITION_X_MM - position_mm[0];
            const int64_t y = (int64_t)tl_position_places[2 * c + 1] * TL_POSITION_UNIT_MM + TL_POSITION_Y_MM - position_mm[1];
            total += weight;
            squares += weight * (uint64_t)(x * x + y * y);
        }
    }
    return (int32_t)root(squares / total);
}
#endif

#endif
