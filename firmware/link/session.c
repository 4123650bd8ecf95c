#include "link/session.h"

#include "board.h"
#include "link/messages.h"
#include "port/port.h"
#ifdef TL_LINK_KEY
#include "tags/tags.h"
#endif

#define BAUD_TRIAL TL_CLOCK_HZ /* cycles: 1 s */

void tl_session_init(tl_session_t *session, uint8_t *payload, uint16_t capacity) {
    *session = (tl_session_t){.baud = TL_UART_BAUD};
    tl_cobs_decoder_init(&session->decoder, payload, capacity);
    if (tl_port_reset_cause() == TL_RESET_WATCHDOG) {
        tl_send_watchdog_notice();
    }
}

void tl_session_baud(tl_session_t *session, const tl_frame_t *request, uint8_t *reply) {
    uint32_t wanted = tl_get_u32(request->body);
    uint32_t nearest = tl_port_uart_nearest(wanted);
    if (nearest == 0) {
        tl_send_error(request->seq, TL_LINK_BAUD, wanted);
        return;
    }
    tl_writer_t writer = tl_frame_begin(reply, TL_MESSAGE_BAUD | TL_MESSAGE_REPLY, request->seq);
    tl_put_u32(&writer, nearest);
    tl_frame_send(&writer);
    tl_port_uart_flush();
    session->baud_before = session->baud;
    session->baud = nearest;
    tl_port_uart_set_rate(session->baud);
    session->baud_since = tl_port_cycles();
    session->baud_trial = true;
}

static void end_baud_trial(tl_session_t *session) {
    if (session->baud_trial && tl_port_cycles() - session->baud_since > BAUD_TRIAL) {
        session->baud_trial = false;
        session->baud = session->baud_before;
        tl_port_uart_set_rate(session->baud);
        tl_cobs_decoder_init(&session->decoder, session->decoder.buffer, session->decoder.capacity);
    }
}

/* Whether the payload in the buffer is a request. */
static bool parse(tl_session_t *session, tl_frame_t *request) {
    uint16_t length = session->decoder.length;
    tl_link_error_t error = tl_frame_parse(session->decoder.buffer, length, request);
#ifdef TL_LINK_KEY
    if (error == TL_LINK_OK || (error == TL_LINK_BAD_VERSION && request->version == TL_TAGGED_VERSION)) {
        session->baud_trial = false;
        return tl_tags_admit(request);
    }
#endif
    if (error == TL_LINK_OK || error == TL_LINK_BAD_VERSION) {
        session->baud_trial = false;
    }
    if (error == TL_LINK_BAD_VERSION) {
        tl_send_error(request->seq, error, request->version);
    } else if (error != TL_LINK_OK) {
        tl_send_error(0, error, length);
    }
    return error == TL_LINK_OK;
}

bool tl_session_poll(tl_session_t *session, tl_frame_t *request) {
    uint8_t byte;
    tl_port_feed_watchdog();
    end_baud_trial(session);
    if (!tl_port_uart_read(&byte)) {
        return false;
    }
    tl_cobs_event_t event = tl_cobs_feed(&session->decoder, byte);
#ifdef TL_LINK_KEY
    if (event != TL_COBS_MORE) {
        tl_tags_plain(); /* until this frame's tag was good */
    }
#endif
    switch (event) {
    case TL_COBS_FRAME:
        return parse(session, request);
    case TL_COBS_BAD:
        tl_send_error(0, TL_LINK_UNREADABLE, session->decoder.length);
        break;
    case TL_COBS_TOO_LONG:
        tl_send_error(0, TL_LINK_TOO_LONG, session->decoder.capacity);
        break;
    case TL_COBS_MORE:
        break;
    }
    return false;
}
