/* The order of requests that change the device: RESET or WALK begins a recording, data follows, counted by seq. What was
 * answered once is answered again from memory, but only to the very same request. */
#ifndef TL_ORDER_H
#define TL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "link/frame.h"

/* A request as far as it must be known again. */
typedef struct {
    uint32_t digest; /* of type, length and body */
    uint16_t seq;
    uint8_t type; /* 0: nothing yet */
    bool begins;  /* a recording */
} tl_mark_t;

typedef struct {
    tl_mark_t last, looked_at; /* the last request that was carried out; the one that is to be */
} tl_order_t;

typedef enum {
    TL_PLACE_NEXT,    /* to be carried out; then tl_order_took */
    TL_PLACE_AGAIN,   /* the last request once more: to be answered from memory */
    TL_PLACE_REFUSED, /* answered with an error here */
} tl_place_t;

/* Where a request stands. The seq of one that begins a recording is ahead of the last by less than half of all, so that
 * nothing that was sent before it can follow it; that of any other is the last one's + 1. */
tl_place_t tl_order_place(tl_order_t *order, const tl_frame_t *request, bool begins);

/* The request that was looked at last was carried out. */
static inline void tl_order_took(tl_order_t *order) {
    order->last = order->looked_at;
}

#endif
