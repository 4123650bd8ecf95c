#include "link/order.h"

#include "link/messages.h"

#define FURTHEST 32767u
#define SAME 0xFFFFu /* one behind the expected */

/* FNV-1a over the body, from a start of its own */
static uint32_t digest(const tl_frame_t *request) {
    uint32_t value = request->type | (uint32_t)request->length << 8;
    for (uint32_t i = 0; i < request->length; i++) {
        value = (value ^ request->body[i]) * 16777619u;
    }
    return value;
}

tl_place_t tl_order_place(tl_order_t *order, const tl_frame_t *request, bool begins) {
    tl_link_error_t error = TL_LINK_ORDER;
    uint32_t expected = TL_NO_ORDER;
    order->looked_at = (tl_mark_t){digest(request), request->seq, request->type, begins};
    if (order->last.type != 0) {
        expected = (uint16_t)(order->last.seq + 1u);
        uint16_t beyond = (uint16_t)(request->seq - expected);
        if (begins ? beyond < FURTHEST : beyond == 0) {
            return TL_PLACE_NEXT;
        }
        if (beyond == SAME && (begins || !order->last.begins)) {
            if (order->looked_at.digest == order->last.digest) {
                return TL_PLACE_AGAIN;
            }
            error = TL_LINK_CHANGED;
        }
    } else if (begins) {
        return TL_PLACE_NEXT;
    }
    tl_send_error(request->seq, error, expected);
    return TL_PLACE_REFUSED;
}
