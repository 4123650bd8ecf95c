#include "localise/viterbi.h"

uint16_t tl_mode(const uint16_t *votes) {
    uint16_t best = 0;
    for (uint16_t c = 1; c < TL_CLASS_COUNT; c++) {
        if (votes[c] > votes[best]) {
            best = c;
        }
    }
    return best;
}

#if TL_CRF

/* Extend every path by one sample: paths end in `from`, go on to `to`, and `back` says where each came from. */
static void extend(const int32_t *from, int32_t *to, tl_origin_t *back, const tl_score_t *scores) {
    const int32_t classes = TL_CLASS_COUNT;
    const int32_t *const transitions = tl_crf_transitions;
    for (uint16_t j = 0; j < classes; j++) {
        const int32_t *transition = &transitions[j]; /* column j: (TL_CLASSES, TL_CLASSES), [from][to] */
        int32_t best = from[0] + *transition;
        tl_origin_t origin = 0;
        for (uint16_t i = 1; i < classes; i++) {
            transition += TL_CLASSES;
            int32_t path = from[i] + *transition;
            if (path > best) {
                best = path;
                origin = (tl_origin_t)i;
            }
        }
        to[j] = best + scores[j];
        back[j] = origin;
    }
}

#if TL_ONLINE

void tl_online_init(tl_online_t *online) {
    online->head = 0;
    online->started = 0;
}

void tl_online_add(tl_online_t *online, const tl_score_t *scores) {
    const int32_t classes = TL_CLASS_COUNT;
    int32_t *paths = online->paths;
    if (!online->started) {
        online->started = 1;
        for (uint16_t c = 0; c < classes; c++) {
            paths[c] = tl_crf_start[c] + scores[c];
        }
        return;
    }
    int32_t from[TL_CLASSES];
    int32_t largest = paths[0];
    for (uint16_t c = 1; c < classes; c++) {
        largest = paths[c] > largest ? paths[c] : largest;
    }
    for (uint16_t c = 0; c < classes; c++) {
        from[c] = paths[c] - largest;
    }
    extend(from, paths, online->back[online->head], scores);
    online->head = (uint16_t)(online->head + 1u == TL_WINDOW - 1 ? 0u : online->head + 1u);
}

uint16_t tl_online_decide(const tl_online_t *online) {
    const int32_t classes = TL_CLASS_COUNT;
    uint16_t best = 0;
    for (uint16_t c = 1; c < classes; c++) {
        if (online->paths[c] > online->paths[best]) {
            best = c;
        }
    }
    uint16_t row = online->head;
    for (uint16_t lag = 1; lag < TL_WINDOW; lag++) {
        row = (uint16_t)(row == 0u ? TL_WINDOW - 2 : row - 1u);
        best = online->back[row][best];
    }
    return best;
}

#else

/* What values[best] has more than the largest of the others. */
static int32_t ahead(const int32_t *values, uint16_t best) {
    int32_t least = INT32_MAX;
    for (uint16_t c = 0; c < TL_CLASS_COUNT; c++) {
        int32_t behind = values[best] - values[c];
        if (c != best && behind < least) {
            least = behind;
        }
    }
    return least;
}

uint16_t tl_viterbi_mode(const tl_score_t *ring, uint16_t oldest, int32_t *margin) {
    const int32_t classes = TL_CLASS_COUNT;
    int32_t paths[2][TL_CLASSES];
    tl_origin_t back[TL_WINDOW][TL_CLASSES]; /* row 0 is not used */
    uint16_t votes[TL_CLASSES] = {0};

    const tl_score_t *scores = ring + (uint32_t)oldest * TL_CLASSES;
    const tl_score_t *ring_end = ring + (uint32_t)TL_WINDOW * TL_CLASSES;
    for (uint16_t c = 0; c < classes; c++) {
        paths[0][c] = tl_crf_start[c] + scores[c];
    }
    uint16_t now = 0;
    for (uint16_t t = 1; t < TL_WINDOW; t++) {
        scores += TL_CLASSES;
        if (scores == ring_end) {
            scores = ring;
        }
        extend(paths[now], paths[now ^ 1u], back[t], scores);
        now ^= 1u;
    }

    uint16_t best = 0;
    for (uint16_t c = 0; c < classes; c++) {
        paths[now][c] += tl_crf_end[c];
        if (paths[now][c] > paths[now][best]) {
            best = c;
        }
    }
    *margin = ahead(paths[now], best);
    for (uint16_t t = TL_WINDOW; t-- > 0;) {
        votes[best]++;
        if (t > 0) {
            best = back[t][best];
        }
    }
    return tl_mode(votes);
}

#endif

#endif
