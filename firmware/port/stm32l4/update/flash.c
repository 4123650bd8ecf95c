/* Flash of the STM32L4. Sources: boards2.md C (ST's HAL and header). */
#include "port/flash.h"

#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define FLASH 0x40022000u
#define FLASH_ACR TL_REGISTER(FLASH + 0x00u)
#define FLASH_KEYR TL_REGISTER(FLASH + 0x08u)
#define FLASH_SR TL_REGISTER(FLASH + 0x10u)
#define FLASH_CR TL_REGISTER(FLASH + 0x14u)
#define FLASH_ECCR TL_REGISTER(FLASH + 0x18u)
#define BUSY (1u << 16)
#define ERRORS 0xC3FAu /* a stale one fails the next operation */
#define END 1u
#define CACHES (3u << 9)
#define CACHES_RESET (3u << 11)
#define BANK_BYTES 0x80000u

void tl_flash_clear_error(void);
void tl_flash_clear_error(void) {
    FLASH_ECCR = (1u << 31) | (1u << 30); /* ECCD, ECCC: ones clear */
}

static void wait(void) {
    while ((FLASH_SR & BUSY) != 0) {
    }
}

static void unlock(void) {
    wait();
    if ((FLASH_CR & (1u << 31)) != 0) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
    FLASH_SR = ERRORS | END;
}

static bool lock(void) {
    wait();
    bool good = (FLASH_SR & ERRORS) == 0;
    FLASH_SR = ERRORS | END;
    FLASH_CR = 1u << 31;
    return good;
}

bool tl_flash_erase(uintptr_t page) {
    uint32_t number = (uint32_t)(page - TL_FLASH_BASE) / TL_FLASH_PAGE;
    uint32_t bank = 0;
    tl_port_feed_watchdog();
    if (TL_FLASH_BYTES > BANK_BYTES && number >= BANK_BYTES / TL_FLASH_PAGE) {
        bank = 1u << 11;
        number -= BANK_BYTES / TL_FLASH_PAGE;
    }
    unlock();
    uint32_t acr = FLASH_ACR;
    FLASH_ACR = acr & ~CACHES; /* errata 2.2.3 */
    FLASH_CR = (1u << 1) | (number << 3) | bank;
    FLASH_CR |= 1u << 16;
    bool good = lock();
    FLASH_ACR = (acr & ~CACHES) | CACHES_RESET;
    FLASH_ACR = acr;
    tl_port_feed_watchdog();
    return good;
}

bool tl_flash_program(uintptr_t address, const uint8_t unit[TL_FLASH_UNIT]) {
    volatile uint32_t *to = (volatile uint32_t *)address;
    uint32_t words[2];
    for (uint32_t i = 0; i < 2u; i++, unit += 4) {
        words[i] = (uint32_t)unit[0] | ((uint32_t)unit[1] << 8) | ((uint32_t)unit[2] << 16) | ((uint32_t)unit[3] << 24);
    }
    unlock();
    FLASH_CR = 1u; /* PG */
    to[0] = words[0];
    __asm volatile("isb" ::: "memory");
    to[1] = words[1];
    return lock();
}
