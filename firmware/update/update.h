/* Replacing the model over the link: messages 0x30 to 0x3A of docs/reference/link.md. */
#ifndef TL_UPDATE_H
#define TL_UPDATE_H

#include "link/frame.h"
#include "update/slots.h"

#define TL_UPDATE_CHUNK 256u /* bytes of constants in a frame; a multiple of TL_FLASH_UNIT */
#define TL_UPDATE_BODY (4u + TL_UPDATE_CHUNK)
#define TL_UPDATE_REPLY 80u /* bytes of the longest reply's body */
#define TL_NONCE 16u

/* Details of TL_LINK_UPDATE. */
typedef enum {
    TL_UPDATE_PROGRAM = 1, /* another program, a bad header, or constants that do not fit */
    TL_UPDATE_TAG = 2,     /* the tag is not of this key */
    TL_UPDATE_VERSION = 3, /* not above the version in use */
    TL_UPDATE_ORDER = 4,   /* no update has begun, or data is missing */
    TL_UPDATE_FLASH = 5,   /* the part reports an error */
    TL_UPDATE_DIGEST = 6,  /* the flash does not hold what the header says */
    TL_UPDATE_REFUSED = 7, /* by the product's own verification */
    TL_UPDATE_OTHER = 8,   /* no whole model to go back to, or its commit records are used up */
} tl_update_error_t;

/* Choose the model to run, at the start. False when there is none: then tl_constants is NULL. */
bool tl_update_choose(void);

/* Whether another model waits for the next recording. */
bool tl_update_changed(void);

/* The link begins a recording: what was committed since is chosen. False when there is no model. */
bool tl_update_begin_recording(void);

/* Whether a request's type is one of an update. */
bool tl_update_takes(uint8_t type);

/* Answer it; `reply` has room for head, TL_UPDATE_REPLY and CRC. */
void tl_update_request(const tl_frame_t *request, uint8_t *reply);

/* A product's own verification of what the tag was good for, such as Ed25519 by its crypto library: before the commit,
 * with the constants in the flash. This one is weak, and says yes. */
bool tl_product_verify(const tl_slot_header_t *header, const uint8_t *constants);

#endif
