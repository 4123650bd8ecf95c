/* The application of an image with fusion: answers WALK, IMU and RANGES of docs/reference/link.md. */
#ifndef TL_FUSION_APP_H
#define TL_FUSION_APP_H

#include "fusion/fusion.h"

/* All that the fusion costs in RAM beside the stack; named so that reports can find it. */
extern tl_fusion_t tl_fusion;

/* Once, after the port has started. */
void tl_fusion_app_init(void);

/* Take at most one byte from the UART, and answer when it ends a frame. To be called for ever. */
void tl_fusion_app_poll(void);

#endif
