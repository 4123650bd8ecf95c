/* Message types, and the messages that need no knowledge of the model. docs/reference/link.md has the table. */
#ifndef TL_MESSAGES_H
#define TL_MESSAGES_H

#include <stdint.h>

#include "link/frame.h"

enum {
    TL_MESSAGE_HELLO = 0x01,
    TL_MESSAGE_RESET = 0x02,
    TL_MESSAGE_BAUD = 0x03,
    TL_MESSAGE_LAYERS = 0x04, /* in images built with checksums of the layers only */
    TL_MESSAGE_SAMPLE_SPARSE = 0x10,
    TL_MESSAGE_SAMPLE_DENSE = 0x11,
    TL_MESSAGE_WALK = 0x20, /* these three in images with fusion, which take no samples */
    TL_MESSAGE_IMU = 0x21,
    TL_MESSAGE_RANGES = 0x22,
    TL_MESSAGE_UPDATE_STATUS = 0x30, /* these in images whose model can be replaced */
    TL_MESSAGE_UPDATE_BEGIN = 0x31,
    TL_MESSAGE_UPDATE_DATA = 0x32,
    TL_MESSAGE_UPDATE_COMMIT = 0x33,
    TL_MESSAGE_CHALLENGE = 0x38,
    TL_MESSAGE_ROLLBACK = 0x3A,
    TL_MESSAGE_SESSION = 0x3B, /* in images that ask for tags */
    TL_MESSAGE_REPLY = 0x80, /* a reply is its request's type with this bit; to both samples it is RESULT */
    TL_MESSAGE_RESULT = 0x90,
    TL_MESSAGE_ERROR = 0xFF,
};

#define TL_NO_ORDER 0xFFFFFFFFu /* detail of TL_LINK_ORDER: no sample is in order before a RESET */

#define TL_HELLO_BODY 54u
#ifdef TL_LINK_KEY
#define TL_HELLO_TAGS 0x100u /* flag of HELLO: the device asks for tags */
#else
#define TL_HELLO_TAGS 0u
#endif

/* What the application adds to the HELLO reply; the rest is the port's. */
typedef struct {
    uint64_t model_id;
    uint16_t inputs, classes, window, hop;
    uint8_t score_bytes;
    uint16_t flags;
    uint32_t arena, state; /* bytes */
    uint16_t payload_max;
} tl_hello_t;

/* `buffer` has room for TL_HELLO_BODY, head and CRC. */
void tl_send_hello(uint8_t *buffer, uint16_t seq, const tl_hello_t *hello);

/* An ERROR frame: what was wrong with the frame `seq` (0: it could not be read). */
void tl_send_error(uint16_t seq, tl_link_error_t code, uint32_t detail);

/* An ERROR frame about a fault, after a delimiter that ends whatever was being sent. */
void tl_send_fault(uint32_t cfsr, uint32_t pc, uint32_t lr);

/* An ERROR frame that nobody asked for: the watchdog has restarted the device. */
void tl_send_watchdog_notice(void);

#endif
