/* Flash and random generator of the STM32L4. Sources: boards2.md C (ST's HAL and header); RNG: RM0351 27, general
 * knowledge, not verified on a part. */
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

#define RCC 0x40021000u
#define RCC_CR TL_REGISTER(RCC + 0x00u)
#define RCC_AHB2ENR TL_REGISTER(RCC + 0x4Cu)
#define RCC_CCIPR TL_REGISTER(RCC + 0x88u)
#define RNG_CR TL_REGISTER(0x50060800u)
#define RNG_SR TL_REGISTER(0x50060804u)
#define RNG_DR TL_REGISTER(0x50060808u)
#define RNG_TRIES 100000u

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

bool tl_port_random(uint8_t *to, uint32_t length) {
    RCC_CR |= 1u; /* MSI */
    while ((RCC_CR & 2u) == 0) {
    }
    RCC_CCIPR |= 3u << 26; /* CLK48SEL: MSI */
    RCC_AHB2ENR |= 1u << 18;
    (void)RCC_AHB2ENR;
    RNG_CR = 1u << 2;
    bool good = true;
    for (uint32_t i = 0; i < length && good; i += 4u) {
        uint32_t tries = RNG_TRIES;
        while ((RNG_SR & 1u) == 0 && tries > 0) {
            tries--;
        }
        good = tries > 0 && (RNG_SR & 6u) == 0; /* CECS, SECS */
        uint32_t word = RNG_DR;
        for (uint32_t k = 0; k < 4u && i + k < length; k++) {
            to[i + k] = (uint8_t)(word >> (8u * k));
        }
    }
    RNG_CR = 0;
    return good;
}
