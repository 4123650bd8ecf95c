/* The application: answers the frames of docs/reference/link.md with the localiser. */
#ifndef TL_APP_H
#define TL_APP_H

#include "localise/localiser.h"

/* The two objects that a model costs in RAM; named so that reports can find them. */
extern tl_localiser_t tl_localiser;
extern tl_model_arena_t tl_arena;

/* Once, after the port has started. */
void tl_app_init(void);

/* Take at most one byte from the UART, and answer when it ends a frame. To be called for ever. */
void tl_app_poll(void);

#endif
