#include "update/slots.h"

#include "port/flash.h"
#include "port/port.h"

/* TL_SLOT_A, TL_SLOT_B and TL_SLOT_BYTES are given by the build */
_Static_assert(sizeof(tl_slot_header_t) == TL_SLOT_RECORDS, "the header lies in front of the records");

uintptr_t tl_slot_address(uint32_t slot) {
    return slot == 0 ? TL_SLOT_A : TL_SLOT_B;
}

bool tl_slot_header_good(const tl_slot_header_t *header) {
    uint8_t tag[TL_DIGEST];
    tl_sha256_t hash;
    if (header->magic != TL_SLOT_MAGIC || header->length == 0 || header->length > TL_SLOT_BYTES - TL_SLOT_HEADER ||
        !tl_same(header->program, tl_program_id, sizeof header->program)) {
        return false;
    }
    tl_hmac_begin(&hash, tl_update_key);
    tl_sha256_add(&hash, header, TL_SLOT_SIGNED);
    tl_hmac_end(&hash, tl_update_key, tag);
    return tl_same(tag, header->tag, TL_DIGEST);
}

bool tl_slot_digest(uint32_t slot, uint32_t length, uint8_t digest[TL_DIGEST]) {
    tl_sha256_t hash;
    uintptr_t at = tl_slot_address(slot) + TL_SLOT_HEADER;
    tl_sha256_begin(&hash);
    for (uint32_t left = length; left > 0;) {
        uint32_t now = left < TL_SHA256_BLOCK ? left : TL_SHA256_BLOCK;
        if (!tl_flash_read(hash.block, at, now)) {
            return false;
        }
        tl_sha256_took(&hash, now);
        at += now;
        left -= now;
        if (left % 4096u < TL_SHA256_BLOCK) { /* hashing 4 KB takes milliseconds */
            tl_port_feed_watchdog();
        }
    }
    tl_sha256_end(&hash, digest);
    return true;
}

/* A record: its sequence, and the same with every bit turned. What is neither good nor blank is used up. */
static void read_records(uint32_t slot, tl_slot_t *found) {
    uintptr_t at = tl_slot_address(slot) + TL_SLOT_RECORDS;
    for (uint8_t i = 0; i < TL_SLOT_RECORD_COUNT; i++, at += TL_FLASH_UNIT) {
        uint32_t words[2];
        bool readable = tl_flash_read(words, at, sizeof words);
        if (readable && words[0] == 0xFFFFFFFFu && words[1] == 0xFFFFFFFFu) {
            continue;
        }
        found->records = (uint8_t)(i + 1u);
        if (readable && (words[0] ^ words[1]) == 0xFFFFFFFFu && words[0] > found->sequence) {
            found->sequence = words[0];
        }
    }
}

void tl_slot_look(uint32_t slot, tl_slot_t *found) {
    tl_slot_header_t header;
    uint8_t digest[TL_DIGEST];
    *found = (tl_slot_t){.records = TL_SLOT_RECORD_COUNT};
    if (!tl_flash_read(&header, tl_slot_address(slot), sizeof header) || !tl_slot_header_good(&header)) {
        return;
    }
    found->records = 0;
    read_records(slot, found);
    if (found->sequence != 0 && tl_slot_digest(slot, header.length, digest) &&
        tl_same(digest, header.digest, TL_DIGEST)) {
        tl_slot_is_whole(found, &header);
    }
}

void tl_slot_is_whole(tl_slot_t *slot, const tl_slot_header_t *header) {
    slot->whole = true;
    slot->version = header->version;
    for (uint32_t i = 0; i < sizeof slot->model; i++) {
        slot->model[i] = header->model[i];
    }
}

uint32_t tl_slots_newest(const tl_slot_t slots[2]) {
    if (slots[0].whole && slots[1].whole) {
        return slots[1].sequence > slots[0].sequence ? 1u : 0u;
    }
    return slots[0].whole ? 0u : slots[1].whole ? 1u : TL_SLOT_NONE;
}

bool tl_slot_commit(uint32_t slot, uint32_t sequence) {
    tl_slot_t found = {.records = 0, .sequence = 0};
    read_records(slot, &found);
    if (found.records >= TL_SLOT_RECORD_COUNT || sequence == 0 || sequence == 0xFFFFFFFFu) {
        return false;
    }
    uint32_t words[2] = {sequence, ~sequence};
    uintptr_t at = tl_slot_address(slot) + TL_SLOT_RECORDS + TL_FLASH_UNIT * found.records;
    return tl_flash_program(at, (const uint8_t *)words);
}
