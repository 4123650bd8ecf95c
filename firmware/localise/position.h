/* The position that scores stand for: the mean of the classes' places under their squared probabilities. */
#ifndef TL_POSITION_H
#define TL_POSITION_H

#include <stdint.h>

#include "localise/counts.h"
#include "model.h"

#if TL_POSITION
/* scores[TL_CLASSES] -> x and y in mm. codegen/arithmetic/position.py is the specification. */
void tl_position_mean(const tl_score_t *scores, int32_t position_mm[2]);
#endif

#if TL_POSITION && TL_SCAN
/* The spread of the classes' places around their mean in mm: root of the mean squared distance, rounded down. */
int32_t tl_position_spread(const tl_score_t *scores, const int32_t position_mm[2]);
#endif

#endif
