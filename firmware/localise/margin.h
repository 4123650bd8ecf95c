/* How clear a decision is. */
#ifndef TL_MARGIN_H
#define TL_MARGIN_H

#include "localise/localiser.h"

/* What the decision has more than the next best: of the sample's scores where TL_WINDOW is 1, of the scores of the best
 * paths that end in different classes with a CRF, of votes else. 0 when no decision is due. To be asked before the next
 * sample. */
int32_t tl_margin(const tl_localiser_t *localiser, const tl_estimate_t *estimate);

#endif
