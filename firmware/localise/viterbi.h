/* Decoding of a linear-chain CRF over a window of scores, and the vote that follows. */
#ifndef TL_VITERBI_H
#define TL_VITERBI_H

#include <stdint.h>

#include "model.h"

/* The class with most votes, the smallest of several; votes[TL_CLASSES]. */
uint16_t tl_mode(const uint16_t *votes);

#if TL_CRF
/* The most frequent class (smallest of several) on the best path through a ring of scores [TL_WINDOW][TL_CLASSES]
 * whose oldest row is `oldest`. Path scores are int32; of equal ones the smallest class wins, at every step. */
uint16_t tl_viterbi_mode(const tl_score_t *ring, uint16_t oldest);
#endif

#endif
