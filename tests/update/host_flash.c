/* Two slots of flash on the host. Operations are counted; `host_fail_at` names one that the part reports as failed. */
#include <string.h>

#include "port/flash.h"
#include "port/random.h"

#include "host_flash.h"

_Alignas(TL_FLASH_PAGE) uint8_t host_slots[2u * TL_SLOT_BYTES];
uint32_t host_operations, host_fail_at = UINT32_MAX, host_unreadable, host_no_random, host_second_programs;

static bool fails(void) {
    return host_operations++ == host_fail_at;
}

bool tl_flash_erase(uintptr_t page) {
    if (fails()) {
        return false;
    }
    memset((void *)page, 0xFF, TL_FLASH_PAGE);
    return true;
}

bool tl_flash_program(uintptr_t address, const uint8_t unit[TL_FLASH_UNIT]) {
    uint8_t *to = (uint8_t *)address;
    for (uint32_t i = 0; i < TL_FLASH_UNIT; i++) {
        host_second_programs += to[i] != 0xFFu;
    }
    if (fails()) {
        return false;
    }
    memcpy(to, unit, TL_FLASH_UNIT);
    return true;
}

/* host_unreadable: 1 + the offset of a byte that cannot be read */
bool tl_flash_read(void *to, uintptr_t address, uint32_t length) {
    const uintptr_t offset = address - (uintptr_t)host_slots;
    memcpy(to, (const void *)address, length);
    return host_unreadable == 0 || host_unreadable - 1u < offset || host_unreadable - 1u >= offset + length;
}

bool tl_port_random(uint8_t *to, uint32_t length) {
    static uint8_t next = 1;
    for (uint32_t i = 0; i < length; i++) {
        to[i] = next = (uint8_t)(next * 5u + 113u);
    }
    return host_no_random == 0;
}
