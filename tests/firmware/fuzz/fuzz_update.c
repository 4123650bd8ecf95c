#include "fuzz_update.h"

#include <string.h>

#include "model.h"
#include "update/update.c" /* its variables are set back to what they are at power-on */
#include "update_data.h"

#define NONE 2u
#define TOO_WIDE (UPDATE_MODELS - 1u) /* the model with more access points than there is room for */

extern uint32_t host_operations, host_fail_at;

typedef struct {
    uint32_t model, version, sequence, records;
    bool whole;
} known_slot_t;

static struct {
    known_slot_t slots[2];
    uint32_t active, into, offset;
    tl_slot_header_t header; /* of the update that goes on */
    bool going, committed, spoilt, changed, challenged;
    bool fails; /* the next operation of the flash reports an error */
    uint8_t nonce[TL_NONCE];
} known;

static void hmac(const void *bytes, uint32_t length, const void *more, uint32_t more_length, uint8_t *tag) {
    tl_sha256_t hash;
    tl_hmac_begin(&hash, tl_update_key);
    tl_sha256_add(&hash, bytes, length);
    tl_sha256_add(&hash, more, more_length);
    tl_hmac_end(&hash, tl_update_key, tag);
}

static tl_slot_header_t header_of(uint32_t model, uint32_t version) {
    tl_slot_header_t header = {.magic = TL_SLOT_MAGIC, .length = UPDATE_BYTES, .version = version, .model = {(uint8_t)(model + 1u)}};
    tl_sha256_t hash;
    memcpy(header.program, tl_program_id, sizeof header.program);
    tl_sha256_begin(&hash);
    tl_sha256_add(&hash, update_constants[model], UPDATE_BYTES);
    tl_sha256_end(&hash, header.digest);
    hmac(&header, TL_SLOT_SIGNED, "", 0, header.tag);
    return header;
}

void update_power_on(void) {
    const tl_slot_header_t header = header_of(0, 1);
    const uint32_t record[2] = {1u, ~1u};
    memset(&update, 0, sizeof update);
    memset(&known, 0, sizeof known);
    memset(host_slots, 0xFF, 2u * TL_SLOT_BYTES);
    memcpy(host_slots, &header, sizeof header);
    memcpy(host_slots + TL_SLOT_RECORDS, record, sizeof record);
    memcpy(host_slots + TL_SLOT_HEADER, update_constants[0], UPDATE_BYTES);
    known.slots[0] = (known_slot_t){.version = 1, .sequence = 1, .records = 1, .whole = true};
    known.slots[1].records = TL_SLOT_RECORD_COUNT;
    host_fail_at = UINT32_MAX;
    if (fuzz_below(3) == 0) { /* without a whole model */
        host_slots[TL_SLOT_HEADER + UPDATE_BYTES / 2u] ^= 1u;
        known.slots[0] = (known_slot_t){.sequence = 1, .records = 1};
        known.active = NONE;
    }
}

bool update_has_model(void) {
    return known.active != NONE;
}

/* The flash is written; false when it fails. */
static bool operates(void) {
    bool works = !known.fails;
    known.fails = false;
    return works;
}

static uint32_t newest_of_both(void) {
    const known_slot_t *a = &known.slots[0], *b = &known.slots[1];
    if (a->whole && b->whole) {
        return a->sequence > b->sequence ? 0 : 1;
    }
    return a->whole ? 0 : b->whole ? 1 : NONE;
}

bool update_waits(void) {
    return known.changed;
}

void update_reset(void) {
    if (known.changed) {
        known.changed = known.going = false;
        known.active = newest_of_both();
    }
}

void update_check_model(const message_t *request) {
    if (!update_has_model()) {
        if (tl_constants != NULL) {
            fuzz_fail("a model runs that is not whole", request);
        }
        return;
    }
    if (memcmp(tl_constants, update_constants[known.slots[known.active].model], UPDATE_BYTES) != 0) {
        fuzz_fail("another model runs", request);
    }
}

/// Requests ///

static void add_bytes(message_t *message, const void *bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        add_u8(message, ((const uint8_t *)bytes)[i]);
    }
}

static void make_begin(message_t *message) {
    uint32_t newest = newest_of_both();
    uint32_t now = newest == NONE ? 0 : known.slots[newest].version;
    uint8_t how = fuzz_byte();
    tl_slot_header_t header = header_of(how % 8u == 7u ? TOO_WIDE : how % TOO_WIDE, now + (how < 220 ? 1u : fuzz_below(3)));
    if (known.going && fuzz_below(4) != 0) {
        header = known.header;
    }
    message->type = TL_MESSAGE_UPDATE_BEGIN;
    add_bytes(message, &header, sizeof header);
    if (how >= 240) {
        message->body[fuzz_below(sizeof header)] ^= (uint8_t)(1u << fuzz_below(8));
    }
}

static void make_data(message_t *message) {
    uint32_t model = known.going ? known.header.model[0] - 1u : 0, offset = known.offset, length = TL_UPDATE_CHUNK;
    uint8_t how = fuzz_byte();
    if (how < 16) {
        offset = fuzz_u16() % (2u * UPDATE_BYTES);
    }
    if (how >= 240) {
        length = fuzz_below(TL_UPDATE_CHUNK + 9u);
    }
    message->type = TL_MESSAGE_UPDATE_DATA;
    add_u32(message, offset);
    for (uint32_t i = 0; i < length && (offset + i < UPDATE_BYTES || how == 255); i++) {
        add_u8(message, offset + i < UPDATE_BYTES ? update_constants[model][offset + i] : fuzz_byte());
    }
    if (how >= 232 && how < 240 && message->length > 4) {
        message->body[4u + fuzz_u16() % (message->length - 4u)] ^= (uint8_t)(1u << fuzz_below(8));
    }
}

static void make_rollback(message_t *message) {
    uint8_t tag[TL_DIGEST];
    hmac("rollback", 8, known.nonce, TL_NONCE, tag);
    message->type = TL_MESSAGE_ROLLBACK;
    tag[fuzz_below(TL_DIGEST)] ^= fuzz_below(8) == 0;
    add_bytes(message, tag, sizeof tag);
}

void update_make(message_t *message) {
    uint8_t kind = fuzz_byte();
    if (fuzz_byte() < 3) {
        known.fails = true;
        host_fail_at = host_operations;
    }
    bool full = known.going && known.offset == UPDATE_BYTES;
    uint32_t other = newest_of_both() ^ 1u;
    bool back = other < NONE && known.slots[other].whole && known.slots[other].records < TL_SLOT_RECORD_COUNT;
    if (known.changed && kind < 120 && kind >= 8) { /* another update has to wait for a RESET */
        message->type = kind < 60 ? TL_MESSAGE_UPDATE_STATUS : TL_MESSAGE_CHALLENGE;
    } else if (kind < 20 || (kind < 170 && !known.going) || (kind < 60 && known.committed)) {
        make_begin(message);
    } else if (kind < 190 && !full) {
        make_data(message);
    } else if (kind < 200 || full) {
        message->type = TL_MESSAGE_UPDATE_COMMIT;
    } else if ((known.challenged && (back || kind < 202)) || (back && kind == 255)) { /* 255: an old nonce */
        make_rollback(message);
    } else {
        message->type = kind < 230 ? TL_MESSAGE_CHALLENGE : TL_MESSAGE_UPDATE_STATUS;
    }
}

/// Answers ///

bool update_takes(uint8_t type) {
    switch (type) {
    case TL_MESSAGE_UPDATE_STATUS:
    case TL_MESSAGE_UPDATE_BEGIN:
    case TL_MESSAGE_UPDATE_DATA:
    case TL_MESSAGE_UPDATE_COMMIT:
    case TL_MESSAGE_CHALLENGE:
    case TL_MESSAGE_ROLLBACK:
        return true;
    default:
        return false;
    }
}

static expected_t refused(const message_t *request, uint32_t why) {
    return expect_error(request->seq, TL_LINK_UPDATE, why);
}

static expected_t reply_to(const message_t *request) {
    return expect_reply(request->type | TL_MESSAGE_REPLY, request->seq);
}

static expected_t offset_of(const message_t *request) {
    expected_t expected = reply_to(request);
    add_u32(&expected.reply, known.offset);
    return expected;
}

static expected_t expect_begin(const message_t *request) {
    tl_slot_header_t header;
    uint8_t tag[TL_DIGEST];
    memcpy(&header, request->body, sizeof header);
    if (known.going && memcmp(&header, &known.header, sizeof header) == 0) {
        return offset_of(request);
    }
    if (header.magic != TL_SLOT_MAGIC || header.length != UPDATE_BYTES || memcmp(header.program, tl_program_id, 8) != 0) {
        return refused(request, TL_UPDATE_PROGRAM);
    }
    hmac(&header, TL_SLOT_SIGNED, "", 0, tag);
    if (memcmp(tag, header.tag, sizeof tag) != 0) {
        return refused(request, TL_UPDATE_TAG);
    }
    uint32_t newest = newest_of_both();
    if (newest != NONE && header.version <= known.slots[newest].version) {
        return refused(request, TL_UPDATE_VERSION);
    }
    known.into = newest == 0 ? 1 : 0;
    known.going = known.committed = false;
    if (known.into == known.active) {
        return refused(request, TL_UPDATE_ORDER);
    }
    if (!operates()) { /* here it leaves all as it was */
        return refused(request, TL_UPDATE_FLASH);
    }
    known.slots[known.into] = (known_slot_t){.records = TL_SLOT_RECORD_COUNT};
    known.header = header;
    known.offset = 0;
    known.going = true;
    known.spoilt = false;
    return offset_of(request);
}

static expected_t expect_data(const message_t *request) {
    uint32_t length = request->length < 4 ? 0 : request->length - 4u;
    if (length == 0 || length > TL_UPDATE_CHUNK) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    uint32_t offset = tl_get_u32(request->body), left = UPDATE_BYTES - known.offset;
    if (!known.going || offset > known.offset) {
        return refused(request, TL_UPDATE_ORDER);
    }
    if (offset < known.offset) {
        return offset_of(request);
    }
    if (length > left || (length != left && length != TL_UPDATE_CHUNK)) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    if (!operates()) {
        known.going = false;
        return refused(request, TL_UPDATE_FLASH);
    }
    known.spoilt |= memcmp(request->body + 4, update_constants[known.header.model[0] - 1] + offset, length) != 0;
    known.offset += length;
    return offset_of(request);
}

static expected_t expect_commit(const message_t *request) {
    if (!known.going || known.offset != UPDATE_BYTES) {
        return refused(request, TL_UPDATE_ORDER);
    }
    if (!known.committed) {
        if (known.spoilt) {
            known.going = false;
            return refused(request, TL_UPDATE_DIGEST);
        }
        if (known.header.model[0] - 1u == TOO_WIDE) {
            known.going = false;
            return refused(request, TL_UPDATE_PROGRAM);
        }
        if (!operates()) {
            known.going = false;
            return refused(request, TL_UPDATE_FLASH);
        }
        uint32_t newest = newest_of_both(), sequence = newest == NONE ? 1 : known.slots[newest].sequence + 1;
        known.slots[known.into] = (known_slot_t){known.header.model[0] - 1u, known.header.version, sequence, 1, true};
        known.committed = known.changed = true;
    }
    expected_t expected = reply_to(request);
    add_u8(&expected.reply, (uint8_t)known.into);
    return expected;
}

static expected_t expect_rollback(const message_t *request) {
    uint8_t tag[TL_DIGEST];
    uint32_t newest = newest_of_both();
    hmac("rollback", 8, known.nonce, TL_NONCE, tag);
    bool good = known.challenged && memcmp(tag, request->body, sizeof tag) == 0;
    known.challenged = false;
    if (!good) {
        return refused(request, TL_UPDATE_TAG);
    }
    if (newest == NONE || !known.slots[newest ^ 1].whole || known.slots[newest ^ 1].records >= TL_SLOT_RECORD_COUNT || !operates()) {
        return refused(request, TL_UPDATE_OTHER);
    }
    known.slots[newest ^ 1].sequence = known.slots[newest].sequence + 1;
    known.slots[newest ^ 1].records++;
    known.going = false;
    known.changed = true;
    expected_t expected = reply_to(request);
    add_u8(&expected.reply, (uint8_t)(newest ^ 1));
    return expected;
}

static expected_t expect_status(const message_t *request) {
    expected_t expected = reply_to(request);
    add_bytes(&expected.reply, tl_program_id, 8);
    add_u32(&expected.reply, TL_SLOT_BYTES - TL_SLOT_HEADER);
    add_u16(&expected.reply, TL_UPDATE_CHUNK);
    add_u8(&expected.reply, (uint8_t)known.active);
    add_u8(&expected.reply, (uint8_t)newest_of_both());
    for (uint32_t i = 0; i < 2; i++) {
        const known_slot_t *slot = &known.slots[i];
        add_u8(&expected.reply, slot->whole);
        add_u8(&expected.reply, (uint8_t)(TL_SLOT_RECORD_COUNT - slot->records));
        add_u32(&expected.reply, slot->version);
        add_u32(&expected.reply, slot->sequence);
        add_u64(&expected.reply, slot->whole ? slot->model + 1u : 0);
    }
    return expected;
}

static uint32_t body_of(uint8_t type) {
    return type == TL_MESSAGE_UPDATE_BEGIN ? sizeof(tl_slot_header_t) : type == TL_MESSAGE_ROLLBACK ? TL_DIGEST : 0;
}

expected_t update_expect(const message_t *request) {
    if (request->type != TL_MESSAGE_UPDATE_DATA && request->length != body_of(request->type)) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    switch (request->type) {
    case TL_MESSAGE_UPDATE_BEGIN:
        return expect_begin(request);
    case TL_MESSAGE_UPDATE_DATA:
        return expect_data(request);
    case TL_MESSAGE_UPDATE_COMMIT:
        return expect_commit(request);
    case TL_MESSAGE_ROLLBACK:
        return expect_rollback(request);
    case TL_MESSAGE_UPDATE_STATUS:
        return expect_status(request);
    default: {
        expected_t expected = reply_to(request); /* a nonce: any but the last, see update_judge */
        expected.reply.length = expected.free_to = TL_NONCE;
        known.challenged = true;
        return expected;
    }
    }
}

void update_judge(const message_t *request, const message_t *reply) {
    if (reply->type != (TL_MESSAGE_CHALLENGE | TL_MESSAGE_REPLY)) {
        return;
    }
    if (memcmp(known.nonce, reply->body, TL_NONCE) == 0) {
        fuzz_fail("a nonce came twice", request);
    }
    memcpy(known.nonce, reply->body, TL_NONCE);
}
