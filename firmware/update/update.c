#include "update/update.h"

#include <stddef.h>

#include "link/messages.h"
#include "model.h"
#include "port/flash.h"
#include "port/port.h"
#include "port/random.h"

#define BLANK 0xFFu

const tl_constants_t *tl_constants;

static struct {
    tl_slot_header_t header; /* of the update that goes on */
    uint32_t offset;         /* bytes of constants that are in the flash */
    uint8_t slot;            /* that it goes into */
    bool going, committed;
    bool changed; /* another model is to be chosen */
    bool challenged;
    uint8_t nonce[TL_NONCE];
} update;
static uint32_t active = TL_SLOT_NONE;
/* What is in the flash, kept because hashes take time: it changes by updates and rollbacks alone. */
static tl_slot_t slots[2];

__attribute__((weak)) bool tl_product_verify(const tl_slot_header_t *header, const uint8_t *constants) {
    (void)header;
    (void)constants;
    return true;
}

bool tl_update_choose(void) {
    tl_slot_look(0, &slots[0]);
    tl_slot_look(1, &slots[1]);
    active = tl_slots_newest(slots);
    tl_constants = NULL;
    if (active != TL_SLOT_NONE) {
        tl_constants = (const tl_constants_t *)(tl_slot_address(active) + TL_SLOT_HEADER);
    }
    return active != TL_SLOT_NONE;
}

bool tl_update_changed(void) {
    return update.changed;
}

bool tl_update_begin_recording(void) {
    if (update.changed) {
        update.changed = false;
        update.going = false;
        return tl_update_choose();
    }
    return tl_constants != NULL;
}

bool tl_update_takes(uint8_t type) {
    return (type >= TL_MESSAGE_UPDATE_STATUS && type <= TL_MESSAGE_UPDATE_COMMIT) || type == TL_MESSAGE_CHALLENGE ||
           type == TL_MESSAGE_ROLLBACK;
}

/// Answers ///

static tl_writer_t answer(const tl_frame_t *request, uint8_t *reply) {
    return tl_frame_begin(reply, request->type | TL_MESSAGE_REPLY, request->seq);
}

static void refuse(const tl_frame_t *request, tl_update_error_t why) {
    tl_send_error(request->seq, TL_LINK_UPDATE, (uint32_t)why);
}

static void put_bytes(tl_writer_t *writer, const uint8_t *bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        tl_put_u8(writer, bytes[i]);
    }
}

static void send_offset(const tl_frame_t *request, uint8_t *reply) {
    tl_writer_t writer = answer(request, reply);
    tl_put_u32(&writer, update.offset);
    tl_frame_send(&writer);
}

static void send_status(const tl_frame_t *request, uint8_t *reply) {
    tl_writer_t writer = answer(request, reply);
    put_bytes(&writer, tl_program_id, sizeof tl_program_id);
    tl_put_u32(&writer, TL_SLOT_BYTES - TL_SLOT_HEADER);
    tl_put_u16(&writer, TL_UPDATE_CHUNK);
    tl_put_u8(&writer, (uint8_t)active);
    tl_put_u8(&writer, (uint8_t)tl_slots_newest(slots));
    for (const tl_slot_t *slot = slots; slot < slots + 2; slot++) {
        tl_put_u8(&writer, slot->whole ? 1u : 0u);
        tl_put_u8(&writer, (uint8_t)(TL_SLOT_RECORD_COUNT - slot->records));
        tl_put_u32(&writer, slot->version);
        tl_put_u32(&writer, slot->sequence);
        put_bytes(&writer, slot->model, sizeof slot->model);
    }
    tl_frame_send(&writer);
}

/// An update ///

static void begin(const tl_frame_t *request, uint8_t *reply) {
    tl_slot_header_t header;
    uint8_t *to = (uint8_t *)&header;
    for (uint32_t i = 0; i < sizeof header; i++) {
        to[i] = request->body[i];
    }
    if (update.going && tl_same(to, (const uint8_t *)&update.header, sizeof header)) {
        send_offset(request, reply); /* goes on where it stands */
        return;
    }
    if (header.magic != TL_SLOT_MAGIC || header.length == 0 || header.length > TL_SLOT_BYTES - TL_SLOT_HEADER ||
        header.length != sizeof(tl_constants_t) || !tl_same(header.program, tl_program_id, sizeof header.program)) {
        refuse(request, TL_UPDATE_PROGRAM);
        return;
    }
    if (!tl_slot_header_good(&header)) {
        refuse(request, TL_UPDATE_TAG);
        return;
    }
    uint32_t newest = tl_slots_newest(slots);
    if (newest != TL_SLOT_NONE && header.version <= slots[newest].version) {
        refuse(request, TL_UPDATE_VERSION);
        return;
    }
    /* never over the model that runs now, nor over the one that would after a reset */
    update.slot = newest == 0 ? 1u : 0u;
    update.going = update.committed = false;
    if (update.slot == active) {
        refuse(request, TL_UPDATE_ORDER);
        return;
    }
    bool erased = tl_flash_erase(tl_slot_address(update.slot));
    tl_slot_look(update.slot, &slots[update.slot]); /* an erase that failed may have left it as it was */
    if (!erased) {
        refuse(request, TL_UPDATE_FLASH);
        return;
    }
    update.header = header;
    update.offset = 0;
    update.going = true;
    send_offset(request, reply);
}

/* Program `length` bytes at `at`; what fills the last unit stays blank. Pages are erased as they are reached. */
static bool program(uintptr_t at, const uint8_t *bytes, uint32_t length) {
    for (uint32_t done = 0; done < length; done += TL_FLASH_UNIT, at += TL_FLASH_UNIT) {
        uint8_t unit[TL_FLASH_UNIT];
        for (uint32_t i = 0; i < TL_FLASH_UNIT; i++) {
            unit[i] = done + i < length ? bytes[done + i] : BLANK;
        }
        if (at % TL_FLASH_PAGE == 0 && !tl_flash_erase(at)) {
            return false;
        }
        if (!tl_flash_program(at, unit)) {
            return false;
        }
    }
    return true;
}

/* The page was erased when the update began. */
static bool write_header(uintptr_t at) {
    const uint8_t *bytes = (const uint8_t *)&update.header;
    for (uint32_t done = 0; done < sizeof update.header; done += TL_FLASH_UNIT) {
        if (!tl_flash_program(at + done, bytes + done)) {
            return false;
        }
    }
    return true;
}

static void take_data(const tl_frame_t *request, uint8_t *reply) {
    uint32_t offset = request->length < 4u ? 0 : tl_get_u32(request->body);
    uint32_t length = request->length < 4u ? 0 : request->length - 4u;
    uint32_t left = update.header.length - update.offset;
    if (length == 0 || length > TL_UPDATE_CHUNK) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return;
    }
    if (!update.going || offset > update.offset) {
        refuse(request, TL_UPDATE_ORDER);
        return;
    }
    if (offset < update.offset) { /* a repetition: the flash is never written twice */
        send_offset(request, reply);
        return;
    }
    if (length > left || (length != left && length != TL_UPDATE_CHUNK)) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return;
    }
    uintptr_t at = tl_slot_address(update.slot) + TL_SLOT_HEADER + update.offset;
    if (!program(at, request->body + 4, length)) {
        update.going = false;
        refuse(request, TL_UPDATE_FLASH);
        return;
    }
    update.offset += length;
    send_offset(request, reply);
}

/* Whoever has the key may still have made a mistake: what indexes arrays stays within them. */
static bool fits(const tl_constants_t *constants) {
    return constants->inputs >= 1 && constants->inputs <= TL_INPUTS && constants->classes >= 2 &&
           constants->classes <= TL_CLASSES;
}

static void commit(const tl_frame_t *request, uint8_t *reply) {
    uint8_t digest[TL_DIGEST];
    uintptr_t at = tl_slot_address(update.slot);
    if (!update.going || update.offset != update.header.length) {
        refuse(request, TL_UPDATE_ORDER);
        return;
    }
    if (!update.committed) {
        if (!tl_slot_digest(update.slot, update.header.length, digest) ||
            !tl_same(digest, update.header.digest, TL_DIGEST)) {
            update.going = false;
            refuse(request, TL_UPDATE_DIGEST);
            return;
        }
        if (!fits((const tl_constants_t *)(at + TL_SLOT_HEADER))) {
            update.going = false;
            refuse(request, TL_UPDATE_PROGRAM);
            return;
        }
        if (!tl_product_verify(&update.header, (const uint8_t *)(at + TL_SLOT_HEADER))) {
            update.going = false;
            refuse(request, TL_UPDATE_REFUSED);
            return;
        }
        uint32_t newest = tl_slots_newest(slots);
        uint32_t sequence = newest == TL_SLOT_NONE ? 1u : slots[newest].sequence + 1u;
        if (!write_header(at) || !tl_slot_commit(update.slot, sequence)) {
            update.going = false;
            refuse(request, TL_UPDATE_FLASH);
            return;
        }
        update.committed = update.changed = true;
        slots[update.slot] = (tl_slot_t){.records = 1, .sequence = sequence};
        tl_slot_is_whole(&slots[update.slot], &update.header);
    }
    tl_writer_t writer = answer(request, reply);
    tl_put_u8(&writer, update.slot);
    tl_frame_send(&writer);
}

/// Going back ///

static void challenge(const tl_frame_t *request, uint8_t *reply) {
    update.challenged = tl_port_random(update.nonce, TL_NONCE);
    if (!update.challenged) {
        refuse(request, TL_UPDATE_TAG);
        return;
    }
    tl_writer_t writer = answer(request, reply);
    put_bytes(&writer, update.nonce, TL_NONCE);
    tl_frame_send(&writer);
}

static void roll_back(const tl_frame_t *request, uint8_t *reply) {
    static const char what[8] = "rollback"; /* no terminator */
    uint8_t tag[TL_DIGEST];
    tl_sha256_t hash;
    tl_hmac_begin(&hash, tl_update_key);
    tl_sha256_add(&hash, what, sizeof what);
    tl_sha256_add(&hash, update.nonce, TL_NONCE);
    tl_hmac_end(&hash, tl_update_key, tag);
    bool good = update.challenged && tl_same(tag, request->body, TL_DIGEST);
    update.challenged = false; /* a nonce is good once */
    if (!good) {
        refuse(request, TL_UPDATE_TAG);
        return;
    }
    uint32_t newest = tl_slots_newest(slots);
    if (newest == TL_SLOT_NONE || !slots[newest ^ 1u].whole ||
        !tl_slot_commit(newest ^ 1u, slots[newest].sequence + 1u)) {
        refuse(request, TL_UPDATE_OTHER);
        return;
    }
    slots[newest ^ 1u].sequence = slots[newest].sequence + 1u;
    slots[newest ^ 1u].records++;
    update.going = false;
    update.changed = true;
    tl_writer_t writer = answer(request, reply);
    tl_put_u8(&writer, (uint8_t)(newest ^ 1u));
    tl_frame_send(&writer);
}

static int32_t length_of(uint8_t type) {
    switch (type) {
    case TL_MESSAGE_UPDATE_BEGIN:
        return (int32_t)sizeof(tl_slot_header_t);
    case TL_MESSAGE_UPDATE_DATA:
        return -1;
    case TL_MESSAGE_ROLLBACK:
        return (int32_t)TL_DIGEST;
    default:
        return 0;
    }
}

void tl_update_request(const tl_frame_t *request, uint8_t *reply) {
    int32_t length = length_of(request->type);
    if (length >= 0 && request->length != length) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return;
    }
    switch (request->type) {
    case TL_MESSAGE_UPDATE_STATUS:
        send_status(request, reply);
        break;
    case TL_MESSAGE_UPDATE_BEGIN:
        begin(request, reply);
        break;
    case TL_MESSAGE_UPDATE_DATA:
        take_data(request, reply);
        break;
    case TL_MESSAGE_UPDATE_COMMIT:
        commit(request, reply);
        break;
    case TL_MESSAGE_CHALLENGE:
        challenge(request, reply);
        break;
    default:
        roll_back(request, reply);
        break;
    }
}
