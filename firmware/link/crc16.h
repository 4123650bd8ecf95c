/* CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, nothing reflected. Check: "123456789" gives 0x29B1. */
#ifndef TL_CRC16_H
#define TL_CRC16_H

#include <stdint.h>

#define TL_CRC16_START 0xFFFFu

/* Carry `crc` on over `length` bytes. */
uint16_t tl_crc16(uint16_t crc, const uint8_t *bytes, uint16_t length);

#endif
