/* Flash of the CC26x0 by the calls of its ROM. Sources: boards2.md C (driverlib's flash.c and vims.h). */
#include "port/flash.h"

#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

typedef uint32_t (*erase_t)(uint32_t sector);
typedef uint32_t (*program_t)(const uint8_t *from, uint32_t to, uint32_t count);

#define ROM_FLASH_TABLE TL_REGISTER(0x100001A8u)
#define ROM_ENTRY(number) (*(const volatile uint32_t *)(uintptr_t)(ROM_FLASH_TABLE + 4u * (number)))
#define FLASH_CFG TL_REGISTER(0x40030024u)
#define DIS_STANDBY (1u << 1)
#define VIMS_STAT TL_REGISTER(0x40034000u)
#define VIMS_CTL TL_REGISTER(0x40034004u)
#define MODE 3u
#define MODE_CHANGING (1u << 3)
#define MODE_OFF 3u
#define LINE_BUFFERS_OFF (3u << 4)

/* The cache may not serve reads while the flash changes. Gives what was set. */
static uint32_t cache_off(void) {
    uint32_t before = VIMS_CTL;
    VIMS_CTL = before | LINE_BUFFERS_OFF;
    VIMS_CTL = (before & ~MODE) | LINE_BUFFERS_OFF | MODE_OFF;
    while ((VIMS_STAT & MODE_CHANGING) != 0) {
    }
    return before;
}

static void cache_as(uint32_t before) {
    FLASH_CFG &= ~DIS_STANDBY;
    VIMS_CTL = before;
    while ((VIMS_STAT & MODE_CHANGING) != 0) {
    }
}

/* The work runs in the ROM, and no interrupt is ever enabled. */
bool tl_flash_erase(uintptr_t page) {
    tl_port_feed_watchdog();
    uint32_t before = cache_off();
    bool good = ((erase_t)(uintptr_t)ROM_ENTRY(5u))((uint32_t)page) == 0;
    cache_as(before);
    tl_port_feed_watchdog();
    return good;
}

bool tl_flash_program(uintptr_t address, const uint8_t unit[TL_FLASH_UNIT]) {
    uint8_t copy[TL_FLASH_UNIT]; /* the source must lie in RAM */
    for (uint32_t i = 0; i < TL_FLASH_UNIT; i++) {
        copy[i] = unit[i];
    }
    uint32_t before = cache_off();
    bool good = ((program_t)(uintptr_t)ROM_ENTRY(6u))(copy, (uint32_t)address, TL_FLASH_UNIT) == 0;
    cache_as(before);
    return good;
}
