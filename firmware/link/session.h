/* The device's end of the link: bytes of the UART to requests, and the change of rate. What requests there are beside
 * BAUD is the application's. The caller owns the session and the buffer. */
#ifndef TL_SESSION_H
#define TL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "link/cobs.h"
#include "link/frame.h"

typedef struct {
    tl_cobs_decoder_t decoder; /* its buffer takes one payload */
    bool baud_trial;           /* the new rate has yet to be confirmed by a frame */
    uint32_t baud_since;       /* cycles */
    uint32_t baud, baud_before;
} tl_session_t;

/* `payload` has room for the longest request. Tells the host when the watchdog has restarted the device. */
void tl_session_init(tl_session_t *session, uint8_t *payload, uint16_t capacity);

/* Take at most one byte from the UART. True when it ended a request, which points into the session's buffer and is the
 * caller's to answer before the next poll; what is none is answered with an error here. */
bool tl_session_poll(tl_session_t *session, tl_frame_t *request);

/* Carry out a BAUD request; `reply` has room for 4 bytes of body. */
void tl_session_baud(tl_session_t *session, const tl_frame_t *request, uint8_t *reply);

#endif
