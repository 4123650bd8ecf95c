/* Bytes moved, rows of bytes laid into wider rows or picked from them: CONCATENATION, PACK, GATHER. */
#ifndef TL_COPY_H
#define TL_COPY_H

#include "tl_fixed.h"

/* memcpy by words, aligned or not: that of small C libraries goes byte by byte, at three cycles each. Neither inlined,
 * so that it stands once in the image, nor made a call of memcpy again. */
TL_SHARED void tl_copy(void *to, const void *from, int32_t size)
{
    uint8_t *y = to;
    const uint8_t *x = from;
    for (; size >= 16; size -= 16, x += 16, y += 16) {
        __builtin_memcpy(y, x, 16);
    }
    for (; size >= 4; size -= 4, x += 4, y += 4) {
        __builtin_memcpy(y, x, 4);
    }
    for (; size > 0; size--) {
        *y++ = *x++;
        __asm__("" : "+r"(y));
    }
}

static inline void tl_copy_rows(uint8_t *to, const void *from, int32_t rows, int32_t stride, int32_t size)
{
    for (int32_t row = 0; row < rows; row++) {
        tl_copy(to + row * stride, (const uint8_t *)from + row * size, size);
    }
}

/* `size` bytes at each index of an axis of `row` entries, for each of `outer` places before it */
static inline void tl_gather(uint8_t *to, const void *from, const int32_t *indices, int32_t count, int32_t outer,
                             int32_t row, int32_t size)
{
    for (int32_t place = 0; place < outer; place++) {
        for (int32_t i = 0; i < count; i++, to += size) {
            tl_copy(to, (const uint8_t *)from + (place * row + indices[i]) * size, size);
        }
    }
}

#endif
