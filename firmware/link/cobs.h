/* Consistent overhead byte stuffing (Cheshire and Baker, 1999): a frame without zero bytes, ended by one. */
#ifndef TL_COBS_H
#define TL_COBS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    TL_COBS_MORE,     /* no frame ended here */
    TL_COBS_FRAME,    /* `length` bytes are in the buffer */
    TL_COBS_BAD,      /* a block was cut short by the delimiter */
    TL_COBS_TOO_LONG, /* more than `capacity` bytes came; what did not fit is dropped */
} tl_cobs_event_t;

/* Takes bytes as they arrive. The caller owns the buffer; its content stays until the byte after an event. */
typedef struct {
    uint8_t *buffer;
    uint16_t capacity; /* of the buffer, bytes */
    uint16_t length;   /* decoded bytes */
    uint8_t left;      /* bytes of the block still to come */
    bool zero;         /* a zero stands before the next block */
    bool started;      /* something came since the last delimiter */
    bool too_long;
} tl_cobs_decoder_t;

void tl_cobs_decoder_init(tl_cobs_decoder_t *decoder, uint8_t *buffer, uint16_t capacity);

/* Take one byte from the wire. Delimiters without anything between them are skipped. */
tl_cobs_event_t tl_cobs_feed(tl_cobs_decoder_t *decoder, uint8_t byte);

/* Send `length` bytes and the delimiter through `put`. */
void tl_cobs_send(const uint8_t *bytes, uint16_t length, void (*put)(uint8_t byte));

#endif
