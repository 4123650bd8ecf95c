/* Decoding of a linear-chain CRF: over a window of scores with the vote that follows, or online with a fixed lag. */
#ifndef TL_VITERBI_H
#define TL_VITERBI_H

#include <stdint.h>

#include "localise/counts.h"
#include "model.h"

/* The class with most votes, the smallest of several; votes[TL_CLASSES]. */
uint16_t tl_mode(const uint16_t *votes);

#if TL_CRF
#if TL_CLASSES <= 256
typedef uint8_t tl_origin_t;
#else
typedef uint16_t tl_origin_t;
#endif
#endif

#if TL_ONLINE
/* The best paths through a recording so far, as far back as a decision looks: TL_WINDOW - 1 samples. */
typedef struct {
    int32_t paths[TL_CLASSES];                  /* score of the best path into each class */
    tl_origin_t back[TL_WINDOW - 1][TL_CLASSES]; /* ring: the class that each of these came from */
    uint16_t head;                              /* row of `back` that the next sample fills, so the oldest */
    uint16_t started;                           /* 0: no sample of this recording was added */
} tl_online_t;

/* Start a new recording. */
void tl_online_init(tl_online_t *online);

/* Extend all paths by the next sample; scores[TL_CLASSES]. Path scores stay near 0, however long a recording is. */
void tl_online_add(tl_online_t *online, const tl_score_t *scores);

/* The class of the sample TL_WINDOW - 1 before the last, on the best path up to the last. TL_WINDOW samples or more
 * were added. Of equal paths the smallest class wins, from the last sample backwards. */
uint16_t tl_online_decide(const tl_online_t *online);
#elif TL_CRF
/* The most frequent class (smallest of several) on the best path through a ring of scores [TL_WINDOW][TL_CLASSES]
 * whose oldest row is `oldest`. Path scores are int32; of equal ones the smallest class wins, at every step. `margin`
 * becomes what the best path has more than the best that ends in another class. */
uint16_t tl_viterbi_mode(const tl_score_t *ring, uint16_t oldest, int32_t *margin);
#endif

#endif
