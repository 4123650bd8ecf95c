/* How many access points and classes the model has. An updatable program has room for TL_INPUTS and TL_CLASSES, and its
 * model says how many of them count; in any other they are the same. */
#ifndef TL_COUNTS_H
#define TL_COUNTS_H

#include "model.h"

#ifndef TL_INPUT_COUNT
#define TL_INPUT_COUNT TL_INPUTS
#define TL_CLASS_COUNT TL_CLASSES
#endif

#endif
