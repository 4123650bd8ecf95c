/* A payload: version u8, type u8, seq u16, body, crc u16; little-endian. docs/reference/link.md has the table. */
#ifndef TL_FRAME_H
#define TL_FRAME_H

#include <stdint.h>

#define TL_LINK_VERSION 2u
#define TL_FRAME_HEAD 4u
#define TL_FRAME_CRC 2u
#ifdef TL_LINK_KEY
#define TL_FRAME_TAG 12u /* what a tagged request has more: counter and tag, see tags/tags.h */
#else
#define TL_FRAME_TAG 0u
#endif

typedef struct {
    uint8_t version;
    uint8_t type;
    uint16_t seq;
    uint8_t *body;
    uint16_t length; /* of the body */
} tl_frame_t;

/* Codes of the ERROR frame. */
typedef enum {
    TL_LINK_OK = 0,
    TL_LINK_UNREADABLE = 1, /* bad COBS, or shorter than head and CRC */
    TL_LINK_CRC = 2,
    TL_LINK_BAD_VERSION = 3,
    TL_LINK_TYPE = 4,
    TL_LINK_LENGTH = 5,
    TL_LINK_ORDER = 6,
    TL_LINK_INDEX = 7,
    TL_LINK_NOT_ASCENDING = 8,
    TL_LINK_VALUE = 9,
    TL_LINK_TOO_LONG = 10,
    TL_LINK_BAUD = 11,
    TL_LINK_FAULT = 12,
    TL_LINK_WATCHDOG = 13,
    TL_LINK_CHANGED = 14,
    TL_LINK_UPDATE = 15,   /* see update/update.h */
    TL_LINK_NO_MODEL = 16, /* no model in the flash is whole */
    TL_LINK_TAG = 17,      /* see tags/tags.h */
} tl_link_error_t;

uint16_t tl_get_u16(const uint8_t *bytes);
uint32_t tl_get_u32(const uint8_t *bytes);
uint64_t tl_get_u64(const uint8_t *bytes);

/* Take a decoded payload apart; `frame` points into it. With TL_LINK_BAD_VERSION the frame is filled in as well:
 * head and CRC stay where they are in every version. */
tl_link_error_t tl_frame_parse(uint8_t *payload, uint16_t length, tl_frame_t *frame);

/* Builds a payload in a buffer that the caller owns and that is large enough for body and CRC. */
typedef struct {
    uint8_t *bytes;
    uint16_t length;
} tl_writer_t;

tl_writer_t tl_frame_begin(uint8_t *buffer, uint8_t type, uint16_t seq);
void tl_put_u8(tl_writer_t *writer, uint8_t value);
void tl_put_u16(tl_writer_t *writer, uint16_t value);
void tl_put_u32(tl_writer_t *writer, uint32_t value);

/* Add the CRC and send over the port's UART. */
void tl_frame_send(tl_writer_t *writer);

#endif
