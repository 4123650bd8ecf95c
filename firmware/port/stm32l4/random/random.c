/* Random generator of the STM32L4, clocked by the MSI. Source: RM0351 27, general knowledge, not verified on a part. */
#include "port/random.h"

#include "port/cortex_m/core.h"

#define RCC 0x40021000u
#define RCC_CR TL_REGISTER(RCC + 0x00u)
#define RCC_AHB2ENR TL_REGISTER(RCC + 0x4Cu)
#define RCC_CCIPR TL_REGISTER(RCC + 0x88u)
#define RNG_CR TL_REGISTER(0x50060800u)
#define RNG_SR TL_REGISTER(0x50060804u)
#define RNG_DR TL_REGISTER(0x50060808u)
#define RNG_TRIES 100000u

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
