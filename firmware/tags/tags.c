#include "tags/tags.h"

#include "link/messages.h"
#include "port/random.h"

#define COUNTER 4u /* bytes on the wire */
_Static_assert(TL_FRAME_TAG == COUNTER + TL_TAG, "what a tagged request has more");

/* A session's key as HMAC needs it: its two blocks are hashed once, not for each frame. */
typedef struct {
    uint32_t inner[8], outer[8];
} session_key_t;

static struct {
    session_key_t key, offer; /* that in use; that of the last SESSION, until a frame has its tag */
    uint32_t counter;         /* of the last good frame */
    bool open, offered;
    bool signs; /* the request that is carried out was tagged: so is the answer */
} tags;

static void keep(uint32_t to[8], const uint32_t from[8]) {
    for (uint32_t i = 0; i < 8u; i++) {
        to[i] = from[i];
    }
}

static void go_on(tl_sha256_t *hash, const uint32_t state[8]) {
    keep(hash->state, state);
    hash->total = TL_SHA256_BLOCK;
}

/* HMAC over a payload and the counter, which is a part of it in requests alone. */
static void tag_of(const session_key_t *key, const uint8_t *payload, uint32_t length, uint32_t counter,
                   uint8_t tag[TL_DIGEST]) {
    const uint8_t number[COUNTER] = {(uint8_t)counter, (uint8_t)(counter >> 8), (uint8_t)(counter >> 16),
                                     (uint8_t)(counter >> 24)};
    tl_sha256_t hash;
    go_on(&hash, key->inner);
    tl_sha256_add(&hash, payload, length);
    tl_sha256_add(&hash, number, sizeof number);
    tl_sha256_end(&hash, tag);
    go_on(&hash, key->outer);
    tl_sha256_add(&hash, tag, TL_DIGEST);
    tl_sha256_end(&hash, tag);
}

static bool refuse(const tl_frame_t *request, tl_tag_error_t why) {
    tl_send_error(request->seq, TL_LINK_TAG, (uint32_t)why);
    return false;
}

/* Both ends draw a nonce; HMAC over them with the key of the build is the session's key. */
static bool offer(const tl_frame_t *request) {
    uint8_t buffer[TL_FRAME_HEAD + TL_SESSION_NONCE + TL_TAG + TL_FRAME_TAG + TL_FRAME_CRC];
    uint8_t nonce[TL_SESSION_NONCE], key[TL_DIGEST];
    static const char what[8] = "session"; /* with its terminator */
    tl_sha256_t hash;
    if (request->length != TL_SESSION_NONCE) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return false;
    }
    if (!tl_port_random(nonce, sizeof nonce)) {
        return refuse(request, TL_TAG_NO_RANDOM);
    }
    tl_hmac_begin(&hash, tl_link_key);
    tl_sha256_add(&hash, what, sizeof what);
    tl_sha256_add(&hash, request->body, TL_SESSION_NONCE);
    tl_sha256_add(&hash, nonce, sizeof nonce);
    tl_hmac_end(&hash, tl_link_key, key);
    tl_hmac_pad(&hash, key, TL_HMAC_INNER);
    keep(tags.offer.inner, hash.state);
    tl_hmac_pad(&hash, key, TL_HMAC_OUTER);
    keep(tags.offer.outer, hash.state);
    tags.offered = true;
    tl_writer_t writer = tl_frame_begin(buffer, TL_MESSAGE_SESSION | TL_MESSAGE_REPLY, request->seq);
    for (uint32_t i = 0; i < TL_SESSION_NONCE; i++) {
        tl_put_u8(&writer, nonce[i]);
    }
    tag_of(&tags.offer, writer.bytes, writer.length, 0, key); /* the host sees that the device has the key */
    for (uint32_t i = 0; i < TL_TAG; i++) {
        tl_put_u8(&writer, key[i]);
    }
    tl_frame_send(&writer);
    return false;
}

/* What does not change the device goes without a tag. */
static bool harmless(uint8_t type) {
    return type == TL_MESSAGE_HELLO || type == TL_MESSAGE_LAYERS || type == TL_MESSAGE_UPDATE_STATUS;
}

static bool fits(bool there, const session_key_t *key, const tl_frame_t *request, uint32_t counter) {
    uint8_t tag[TL_DIGEST];
    uint32_t length = request->length - TL_FRAME_TAG;
    if (!there) {
        return false;
    }
    tag_of(key, request->body - TL_FRAME_HEAD, TL_FRAME_HEAD + length, counter, tag);
    return tl_same(tag, request->body + length + COUNTER, TL_TAG);
}

bool tl_tags_admit(tl_frame_t *request) {
    if (request->version == TL_LINK_VERSION) {
        if (request->type == TL_MESSAGE_SESSION) {
            return offer(request);
        }
        return harmless(request->type) || refuse(request, tags.open ? TL_TAG_NEEDED : TL_TAG_NO_SESSION);
    }
    if (request->length < TL_FRAME_TAG) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return false;
    }
    uint32_t counter = tl_get_u32(request->body + request->length - TL_FRAME_TAG);
    if (fits(tags.open, &tags.key, request, counter)) {
        if (counter <= tags.counter) {
            return refuse(request, TL_TAG_REPLAYED);
        }
    } else if (fits(tags.offered, &tags.offer, request, counter)) { /* a session begins with its first good frame */
        tags.key = tags.offer;
        tags.open = true;
        tags.offered = false;
    } else {
        return refuse(request, tags.open || tags.offered ? TL_TAG_WRONG : TL_TAG_NO_SESSION);
    }
    tags.counter = counter;
    tags.signs = true;
    request->version = TL_LINK_VERSION;
    request->length = (uint16_t)(request->length - TL_FRAME_TAG);
    return true;
}

void tl_tags_plain(void) {
    tags.signs = false;
}

void tl_tags_sign(tl_writer_t *writer) {
    uint8_t tag[TL_DIGEST];
    if (!tags.signs) {
        return;
    }
    writer->bytes[0] = TL_TAGGED_VERSION;
    tag_of(&tags.key, writer->bytes, writer->length, tags.counter, tag);
    for (uint32_t i = 0; i < TL_TAG; i++) {
        tl_put_u8(writer, tag[i]);
    }
}
