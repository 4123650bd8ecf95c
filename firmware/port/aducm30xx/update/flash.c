/* Flash of the ADuCM30xx. Sources: boards2.md C (ADI's header and OpenOCD driver). ECC for user pages stays off, as
 * after a reset. */
#include "port/flash.h"

#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define FLCC 0x40018000u
#define FLCC_STAT TL_REGISTER(FLCC + 0x00u)
#define FLCC_CMD TL_REGISTER(FLCC + 0x08u)
#define FLCC_KH_ADDR TL_REGISTER(FLCC + 0x0Cu)
#define FLCC_KH_DATA0 TL_REGISTER(FLCC + 0x10u)
#define FLCC_KH_DATA1 TL_REGISTER(FLCC + 0x14u)
#define FLCC_PAGE_ADDR0 TL_REGISTER(FLCC + 0x18u)
#define FLCC_KEY TL_REGISTER(FLCC + 0x20u)
#define BUSY 1u
#define DONE (1u << 2)
#define FAILED (3u << 4)
#define USER_KEY 0x676C7565u

static bool finish(void) {
    while ((FLCC_STAT & BUSY) != 0 || (FLCC_STAT & DONE) == 0) {
    }
    bool good = (FLCC_STAT & FAILED) == 0;
    FLCC_STAT = DONE | FAILED;
    return good;
}

bool tl_flash_erase(uintptr_t page) {
    tl_port_feed_watchdog();
    FLCC_STAT = DONE | FAILED;
    FLCC_PAGE_ADDR0 = (uint32_t)page;
    FLCC_KEY = USER_KEY;
    FLCC_CMD = 6u;
    FLCC_KEY = 0;
    bool good = finish();
    tl_port_feed_watchdog();
    return good;
}

static uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8) | ((uint32_t)bytes[2] << 16) | ((uint32_t)bytes[3] << 24);
}

bool tl_flash_program(uintptr_t address, const uint8_t unit[TL_FLASH_UNIT]) {
    FLCC_STAT = DONE | FAILED;
    FLCC_KH_ADDR = (uint32_t)address;
    FLCC_KH_DATA0 = word(unit);
    FLCC_KH_DATA1 = word(unit + 4);
    FLCC_CMD = 4u;
    return finish();
}
