/* The part's random generator: port/<family>/random. Only images with a key have it. */
#ifndef TL_RANDOM_H
#define TL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Bits from the part's random generator; false when it does not work. */
bool tl_port_random(uint8_t *to, uint32_t length);

#endif
