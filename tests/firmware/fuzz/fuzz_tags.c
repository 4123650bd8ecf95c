#include "fuzz_tags.h"

#include <string.h>

#include "tags/tags.c" /* its variables are set back to what they are at power-on */

#define OLD 8u

const uint8_t tl_link_key[TL_DIGEST] = {7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 3, 6, 0, 2, 8, 7, 4, 7, 1, 3, 5, 2, 6, 6};

static struct {
    uint8_t key[TL_DIGEST], offer[TL_DIGEST], gone[TL_DIGEST];
    uint32_t counter;
    bool open, offered, signs;
} known;
static message_t old[OLD]; /* sealed frames of before, of other sessions too */
static uint32_t old_count;

/* What the device draws next: known before, so that its answer is. */
static struct {
    uint32_t state;
    bool works;
    uint8_t bytes[TL_SESSION_NONCE];
} next;

static void draw(void) {
    for (uint32_t i = 0; i < TL_SESSION_NONCE; i++) {
        next.state = next.state * 1664525u + 1013904223u;
        next.bytes[i] = (uint8_t)(next.state >> 24);
    }
    next.works = (next.state >> 8) % 64u != 0; /* now and then it does not work */
}

bool tl_port_random(uint8_t *to, uint32_t length) {
    bool works = next.works;
    memcpy(to, next.bytes, length < TL_SESSION_NONCE ? length : TL_SESSION_NONCE);
    draw();
    return works;
}

void tags_power_on(void) {
    memset(&known, 0, sizeof known);
    memset(&tags, 0, sizeof tags);
    draw();
}

/* HMAC of head, body (with the counter of a request) and the counter of a reply. */
static void mac(const uint8_t *key, const message_t *message, uint32_t length, const uint32_t *counter, uint8_t *tag) {
    const uint8_t head[4] = {message->version, message->type, (uint8_t)message->seq, (uint8_t)(message->seq >> 8)};
    tl_sha256_t hash;
    tl_hmac_begin(&hash, key);
    tl_sha256_add(&hash, head, sizeof head);
    tl_sha256_add(&hash, message->body, length);
    if (counter != NULL) {
        const uint8_t bytes[4] = {(uint8_t)*counter, (uint8_t)(*counter >> 8), (uint8_t)(*counter >> 16), (uint8_t)(*counter >> 24)};
        tl_sha256_add(&hash, bytes, sizeof bytes);
    }
    tl_hmac_end(&hash, key, tag);
}

static void seal(message_t *message, const uint8_t *key, uint32_t counter) {
    uint8_t tag[TL_DIGEST];
    message->version = message->version == TL_LINK_VERSION ? TL_TAGGED_VERSION : message->version;
    add_u32(message, counter);
    mac(key, message, message->length, NULL, tag);
    for (uint32_t i = 0; i < TL_TAG; i++) {
        add_u8(message, tag[i]);
    }
}

void tags_seal(message_t *message) {
    known.signs = false;
    uint8_t how = fuzz_byte();
    if (how < 6 || (!known.open && !known.offered)) {
        *message = (message_t){.version = TL_LINK_VERSION, .type = TL_MESSAGE_SESSION, .seq = fuzz_byte()};
        for (uint32_t i = 0; i < TL_SESSION_NONCE - (how == 0); i++) {
            add_u8(message, fuzz_byte());
        }
        return;
    }
    if (how < 14) {
        return; /* plain */
    }
    const uint8_t *key = known.offered && (!known.open || how & 1) ? known.offer : known.key;
    uint32_t counter = known.counter + 1u + (how < 200 ? 0u : fuzz_byte() % 5u * 1000u);
    if (how < 20) {
        counter = known.counter - fuzz_below(3);
    } else if (how < 24) {
        key = known.gone;
    } else if (how < 28 && old_count > 0) {
        *message = old[fuzz_below(old_count < OLD ? old_count : OLD)];
        return;
    } else if (how == 28 && fuzz_below(16) == 0) {
        counter = UINT32_MAX; /* nothing is above it: the session is used up */
    }
    seal(message, key, counter);
    old[old_count++ % OLD] = *message;
    if (how >= 30 && how < 34) {
        message->body[fuzz_u16() % message->length] ^= (uint8_t)(1u << fuzz_below(8));
    } else if (how == 34) {
        message->length = (uint16_t)fuzz_below(TL_FRAME_TAG);
    }
}

static bool matches(const uint8_t *key, const message_t *wire) {
    uint8_t tag[TL_DIGEST];
    mac(key, wire, wire->length - TL_TAG, NULL, tag);
    return memcmp(tag, wire->body + wire->length - TL_TAG, TL_TAG) == 0;
}

static void expect_session(const message_t *wire, expected_t *expected) {
    static const char what[8] = "session";
    const uint32_t none = 0;
    uint8_t tag[TL_DIGEST];
    tl_sha256_t hash;
    if (wire->length != TL_SESSION_NONCE) {
        *expected = expect_error(wire->seq, TL_LINK_LENGTH, wire->length);
        return;
    }
    if (!next.works) {
        *expected = expect_error(wire->seq, TL_LINK_TAG, TL_TAG_NO_RANDOM);
        return;
    }
    tl_hmac_begin(&hash, tl_link_key);
    tl_sha256_add(&hash, what, sizeof what);
    tl_sha256_add(&hash, wire->body, TL_SESSION_NONCE);
    tl_sha256_add(&hash, next.bytes, TL_SESSION_NONCE);
    tl_hmac_end(&hash, tl_link_key, known.offer);
    known.offered = true;
    *expected = expect_reply(TL_MESSAGE_SESSION | TL_MESSAGE_REPLY, wire->seq);
    for (uint32_t i = 0; i < TL_SESSION_NONCE; i++) {
        add_u8(&expected->reply, next.bytes[i]);
    }
    mac(known.offer, &expected->reply, TL_SESSION_NONCE, &none, tag);
    for (uint32_t i = 0; i < TL_TAG; i++) {
        add_u8(&expected->reply, tag[i]);
    }
}

bool tags_open(const message_t *wire, message_t *inner, expected_t *expected) {
    known.signs = false;
    if (wire->version == TL_LINK_VERSION) {
        if (wire->type == TL_MESSAGE_SESSION) {
            expect_session(wire, expected);
            return false;
        }
        *inner = *wire;
        *expected = expect_error(wire->seq, TL_LINK_TAG, known.open ? TL_TAG_NEEDED : TL_TAG_NO_SESSION);
        return wire->type == TL_MESSAGE_HELLO || wire->type == TL_MESSAGE_LAYERS || wire->type == TL_MESSAGE_UPDATE_STATUS;
    }
    if (wire->length < TL_FRAME_TAG) {
        *expected = expect_error(wire->seq, TL_LINK_LENGTH, wire->length);
        return false;
    }
    uint32_t counter = tl_get_u32(wire->body + wire->length - TL_FRAME_TAG);
    if (known.open && matches(known.key, wire)) {
        *expected = expect_error(wire->seq, TL_LINK_TAG, TL_TAG_REPLAYED);
        if (counter <= known.counter) {
            return false;
        }
    } else if (known.offered && matches(known.offer, wire)) {
        memcpy(known.gone, known.key, TL_DIGEST);
        memcpy(known.key, known.offer, TL_DIGEST);
        known.open = true;
        known.offered = false;
    } else {
        *expected = expect_error(wire->seq, TL_LINK_TAG, known.open || known.offered ? TL_TAG_WRONG : TL_TAG_NO_SESSION);
        return false;
    }
    known.counter = counter;
    known.signs = true;
    *inner = *wire;
    inner->version = TL_LINK_VERSION;
    inner->length = (uint16_t)(wire->length - TL_FRAME_TAG);
    memset(inner->body + inner->length, 0, TL_FRAME_TAG); /* whole messages are compared */
    return true;
}

bool tags_strip(message_t *reply) {
    uint8_t tag[TL_DIGEST];
    if (!known.signs) {
        return reply->version == TL_LINK_VERSION;
    }
    if (reply->version != TL_TAGGED_VERSION || reply->length < TL_TAG) {
        return false;
    }
    reply->length = (uint16_t)(reply->length - TL_TAG);
    mac(known.key, reply, reply->length, &known.counter, tag);
    reply->version = TL_LINK_VERSION;
    return memcmp(tag, reply->body + reply->length, TL_TAG) == 0;
}
