/* Calls of the user's build of CMSIS-NN (back end cmsis_nn). */
#ifndef TL_CMSIS_NN_H
#define TL_CMSIS_NN_H

#include <stdbool.h>
#include <stddef.h>

#include "arm_nnfunctions.h"

/* What the library refuses is no answer: the device faults, which the link reports, rather than go on with rubbish. */
static inline void tl_library(arm_cmsis_nn_status status)
{
    if (status != ARM_CMSIS_NN_SUCCESS) {
        __builtin_trap();
    }
}

#endif
