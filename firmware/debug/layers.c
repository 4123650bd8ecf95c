#include "debug/layers.h"

static uint32_t *kept; /* of the last step */
static uint16_t room;
static uint16_t done;

/* CRC-32 as zlib counts it: reflected, polynomial 0xEDB88320; `crc` is that of what came before. */
static uint32_t crc32(uint32_t crc, const uint8_t *bytes, uint32_t size) {
    crc = ~crc;
    for (uint32_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (uint8_t bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

void tl_checks_begin(uint32_t *checks, uint16_t count) {
    kept = checks;
    room = count;
    done = 0;
}

void tl_check(const void *bytes, uint32_t size) {
    if (done < room) {
        kept[done] = crc32(0, bytes, size);
        done++;
    }
}

void tl_check_more(const void *bytes, uint32_t size) {
    kept[done - 1u] = crc32(kept[done - 1u], bytes, size);
}

#if TL_SPARSE
void tl_check_entries(const tl_entry_t *entries, uint16_t count) {
    tl_check(entries, 0);
    for (uint16_t i = 0; i < count; i++) {
        tl_check_more(&entries[i].index, sizeof entries[i].index);
        tl_check_more(&entries[i].value, sizeof entries[i].value);
    }
}
#endif

uint16_t tl_check_count(void) {
    return done;
}

uint32_t tl_check_at(uint16_t position) {
    return kept[position];
}
