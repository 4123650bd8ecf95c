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

/* What values[best] has more than the largest of the others, which are not larger. */
static int32_t ahead(const value_t *values, int32_t best) {
    int32_t second = INT32_MIN;
    for (int32_t c = 0; c < TL_CLASS_COUNT; c++) {
        if (c != best && values[c] > second) {
            second = values[c];
        }
    }
    return values[best] - second;
}

static int32_t margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate) {
#if TL_ONLINE
    (void)estimate;
    int32_t best = 0; /* the class is that of an earlier sample */
    for (int32_t c = 1; c < TL_CLASS_COUNT; c++) {
        best = localiser->online.paths[c] > localiser->online.paths[best] ? c : best;
    }
    return ahead(localiser->online.paths, best);
#elif TL_WINDOW > 1
    uint16_t votes[TL_CLASSES] = {0};
    for (uint16_t t = 0; t < TL_WINDOW; t++) {
        votes[localiser->winners[t]]++;
    }
    return ahead(votes, estimate->class_index);
#else
    (void)localiser;
    return ahead(estimate->scores, estimate->class_index);
#endif
}

#endif

int32_t tl_margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate) {
    return estimate->class_index < 0 ? 0 : margin(localiser, estimate);
}
