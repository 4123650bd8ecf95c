#include "link/order.h"

#include "link/messages.h"

#define HALF 0x8000u

/* FNV-1a */
static uint32_t digest(const tl_frame_t *request) {
    uint32_t value = 2166136261u;
    for (uint32_t i = 0; i < request->length; i++) {
        value = (value ^ request->body[i]) * 16777619u;
    }
    return value;
}

tl_place_t tl_order_place(tl_order_t *order, const tl_frame_t *request, bool begins) {
    const tl_mark_t *last = &order->last;
    uint16_t ahead = (uint16_t)(request->seq - last->seq);
    uint32_t expected = order->begun ? (uint16_t)(last->seq + 1u) : TL_NO_ORDER;
    tl_link_error_t error = TL_LINK_ORDER;
    order->looked_at = (tl_mark_t){digest(request), request->seq, request->length, request->type, begins};
    if (!order->begun) {
        error = begins ? TL_LINK_OK : error;
    } else if (ahead == 0 && (begins || !last->begins)) {
        if (request->type == last->type && request->length == last->length && order->looked_at.digest == last->digest) {
            return TL_PLACE_AGAIN;
        }
        error = TL_LINK_CHANGED;
    } else if (begins ? ahead < HALF : ahead == 1) {
        error = TL_LINK_OK;
    }
    if (error == TL_LINK_OK) {
        return TL_PLACE_NEXT;
    }
    tl_send_error(request->seq, error, expected);
    return TL_PLACE_REFUSED;
}

void tl_order_took(tl_order_t *order) {
    order->last = order->looked_at;
    order->begun = true;
}
