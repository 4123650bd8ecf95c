/* Rows of bytes laid into wider rows or picked from them: CONCATENATION, PACK, GATHER. */
#ifndef TL_COPY_H
#define TL_COPY_H

#include <stdint.h>
#include <string.h>

static inline void tl_copy_rows(uint8_t *to, const void *from, int32_t rows, int32_t stride, int32_t size)
{
    for (int32_t row = 0; row < rows; row++) {
        memcpy(to + row * stride, (const uint8_t *)from + row * size, (size_t)size);
    }
}

/* `size` bytes at each index of an axis of `row` entries, for each of `outer` places before it */
static inline void tl_gather(uint8_t *to, const void *from, const int32_t *indices, int32_t count, int32_t outer,
                             int32_t row, int32_t size)
{
    for (int32_t place = 0; place < outer; place++) {
        for (int32_t i = 0; i < count; i++, to += size) {
            memcpy(to, (const uint8_t *)from + (place * row + indices[i]) * size, (size_t)size);
        }
    }
}

#endif
