#include "link/crc16.h"

/* Eight steps of the polynomial at once without a table: 0x1021 has taps at 12, 5 and 0, and x folds the carries. */
uint16_t tl_crc16(uint16_t crc, const uint8_t *bytes, uint16_t length) {
    uint32_t value = crc;
    for (uint16_t i = 0; i < length; i++) {
        uint32_t x = (value >> 8) ^ bytes[i];
        x ^= x >> 4;
        value = ((value << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xFFFFu;
    }
    return (uint16_t)value;
}
