/* Tags on the frames that change the device: whoever has not the key of the build cannot make them, and none is taken
 * twice. docs/reference/link.md, "Tags", has the messages. In images built with a link key only. */
#ifndef TL_TAGS_H
#define TL_TAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "hash/sha256.h"
#include "link/frame.h"

#define TL_TAGGED_VERSION (0x80u | TL_LINK_VERSION)
#define TL_TAG 8u           /* bytes of a tag */
#define TL_SESSION_NONCE 16u /* of each end */

/* Details of TL_LINK_TAG. */
typedef enum {
    TL_TAG_NEEDED = 1,     /* this request needs a tag */
    TL_TAG_NO_SESSION = 2, /* there is no session: the device restarted, or none was begun */
    TL_TAG_WRONG = 3,      /* the tag is not of this session */
    TL_TAG_REPLAYED = 4,   /* the counter is not above that of the last good frame */
    TL_TAG_NO_RANDOM = 5,  /* the random generator does not work */
} tl_tag_error_t;

/* The key of the build. */
extern const uint8_t tl_link_key[TL_DIGEST];

/* Whether a request may be carried out. A tagged one loses its tag here; SESSION is answered here, and what may not be
 * carried out is refused here. */
bool tl_tags_admit(tl_frame_t *request);

/* Answers are plain from now on, until a tagged request is admitted. */
void tl_tags_plain(void);

/* Tag a payload when it answers a tagged request; there is room for TL_TAG bytes before the CRC. */
void tl_tags_sign(tl_writer_t *writer);

#endif
