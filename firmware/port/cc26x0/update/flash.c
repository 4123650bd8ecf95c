/* Flash of the CC26x0 by the calls of its ROM, and its random generator. Sources: boards2.md C (driverlib's flash.c
 * and vims.h); TRNG: driverlib's hw_trng.h, general knowledge, not verified on a part. */
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

#define PRCM 0x40082000u
#define PRCM_CLKLOADCTL TL_REGISTER(PRCM + 0x28u)
#define PRCM_SECDMACLKGR TL_REGISTER(PRCM + 0x3Cu)
#define TRNG 0x40028000u
#define TRNG_OUT0 TL_REGISTER(TRNG + 0x00u)
#define TRNG_IRQFLAGSTAT TL_REGISTER(TRNG + 0x08u)
#define TRNG_IRQFLAGCLR TL_REGISTER(TRNG + 0x10u)
#define TRNG_CTL TL_REGISTER(TRNG + 0x14u)
#define RNG_TRIES 1000000u

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

bool tl_port_random(uint8_t *to, uint32_t length) {
    PRCM_SECDMACLKGR |= 1u << 1;
    PRCM_CLKLOADCTL = 1u;
    while ((PRCM_CLKLOADCTL & 2u) == 0) {
    }
    TRNG_CTL = 1u << 10;
    bool good = true;
    for (uint32_t i = 0; i < length && good; i += 4u) {
        uint32_t tries = RNG_TRIES;
        while ((TRNG_IRQFLAGSTAT & 1u) == 0 && tries > 0) {
            tries--;
        }
        good = tries > 0;
        uint32_t word = TRNG_OUT0;
        TRNG_IRQFLAGCLR = 1u;
        for (uint32_t k = 0; k < 4u && i + k < length; k++) {
            to[i + k] = (uint8_t)(word >> (8u * k));
        }
    }
    TRNG_CTL = 0;
    return good;
}
