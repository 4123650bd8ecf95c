#include "localise/margin.h"

#if TL_CRF && !TL_ONLINE

static int32_t margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate) {
    (void)estimate;
    return localiser->margin;
}

#else

#if TL_ONLINE
typedef int32_t value_t;
#elif TL_WINDOW > 1
typedef uint16_t value_t;
#else
typedef tl_score_t value_t;
#endif

/* Best less second best of values[TL_CLASSES]. */
static int32_t best_less_second(const value_t *values) {
    int32_t best = values[0] > values[1] ? values[0] : values[1];
    int32_t second = values[0] > values[1] ? values[1] : values[0];
    for (uint16_t c = 2; c < TL_CLASSES; c++) {
        if (values[c] > best) {
            second = best;
            best = values[c];
        } else if (values[c] > second) {
            second = values[c];
        }
    }
    return best - second;
}

static int32_t margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate) {
#if TL_ONLINE
    (void)estimate;
    return best_less_second(localiser->online.paths);
#elif TL_WINDOW > 1
    (void)estimate;
    uint16_t votes[TL_CLASSES] = {0};
    for (uint16_t t = 0; t < TL_WINDOW; t++) {
        votes[localiser->winners[t]]++;
    }
    return best_less_second(votes);
#else
    (void)localiser;
    return best_less_second(estimate->scores);
#endif
}

#endif

int32_t tl_margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate) {
    return estimate->class_index < 0 ? 0 : margin(localiser, estimate);
}
