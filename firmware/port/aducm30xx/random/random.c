/* Random generator of the ADuCM30xx. Source: ADI's header, general knowledge, not verified on a part. */
#include "port/random.h"

#include "port/cortex_m/core.h"

#define RNG 0x40040400u
#define RNG_CTL TL_REGISTER(RNG + 0x00u)
#define RNG_LEN TL_REGISTER(RNG + 0x04u)
#define RNG_STAT TL_REGISTER(RNG + 0x08u)
#define RNG_DATA TL_REGISTER(RNG + 0x0Cu)
#define RNG_TRIES 100000u

bool tl_port_random(uint8_t *to, uint32_t length) {
    RNG_LEN = 4095u; /* jitter counted over so many samples a byte */
    RNG_CTL = 1u;
    bool good = true;
    for (uint32_t i = 0; i < length && good; i++) {
        uint32_t tries = RNG_TRIES;
        while ((RNG_STAT & 1u) == 0 && tries > 0) {
            tries--;
        }
        good = tries > 0 && (RNG_STAT & 2u) == 0; /* STUCK */
        to[i] = (uint8_t)RNG_DATA;
    }
    RNG_CTL = 0;
    return good;
}
