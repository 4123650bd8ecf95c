/* Random generator of the nRF52, with its bias correction. Source: nrf52840.svd and nrf52.svd (RNG); not verified on a
 * part. */
#include "port/random.h"

#include "port/cortex_m/core.h"

#define RNG 0x4000D000u
#define RNG_START TL_REGISTER(RNG + 0x000u)
#define RNG_STOP TL_REGISTER(RNG + 0x004u)
#define RNG_VALRDY TL_REGISTER(RNG + 0x100u)
#define RNG_CONFIG TL_REGISTER(RNG + 0x504u)
#define RNG_VALUE TL_REGISTER(RNG + 0x508u)
#define RNG_TRIES 1000000u

bool tl_port_random(uint8_t *to, uint32_t length) {
    bool good = true;
    RNG_CONFIG = 1u; /* DERCEN */
    RNG_VALRDY = 0;
    RNG_START = 1u;
    for (uint32_t i = 0; i < length && good; i++) {
        uint32_t tries = RNG_TRIES;
        while (RNG_VALRDY == 0 && tries > 0) {
            tries--;
        }
        good = tries > 0;
        RNG_VALRDY = 0;
        to[i] = (uint8_t)RNG_VALUE;
    }
    RNG_STOP = 1u;
    return good;
}
