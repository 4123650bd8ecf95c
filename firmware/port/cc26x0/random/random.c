/* Random generator of the CC26x0. Source: driverlib's hw_trng.h, general knowledge, not verified on a part. */
#include "port/random.h"

#include "port/cortex_m/core.h"

#define PRCM 0x40082000u
#define PRCM_CLKLOADCTL TL_REGISTER(PRCM + 0x28u)
#define PRCM_SECDMACLKGR TL_REGISTER(PRCM + 0x3Cu)
#define TRNG 0x40028000u
#define TRNG_OUT0 TL_REGISTER(TRNG + 0x00u)
#define TRNG_IRQFLAGSTAT TL_REGISTER(TRNG + 0x08u)
#define TRNG_IRQFLAGCLR TL_REGISTER(TRNG + 0x10u)
#define TRNG_CTL TL_REGISTER(TRNG + 0x14u)
#define RNG_TRIES 1000000u

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
