/* Rows of bytes laid into wider rows: CONCATENATION, and states that are kept for the next step. */
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

#endif
