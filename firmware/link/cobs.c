#include "link/cobs.h"

#define BLOCK 254u

void tl_cobs_decoder_init(tl_cobs_decoder_t *decoder, uint8_t *buffer, uint16_t capacity) {
    *decoder = (tl_cobs_decoder_t){.buffer = buffer, .capacity = capacity};
}

static void push(tl_cobs_decoder_t *decoder, uint8_t byte) {
    if (decoder->length < decoder->capacity) {
        decoder->buffer[decoder->length++] = byte;
    } else {
        decoder->too_long = true;
    }
}

static tl_cobs_event_t end(tl_cobs_decoder_t *decoder) {
    if (!decoder->started) {
        return TL_COBS_MORE;
    }
    decoder->started = false;
    if (decoder->too_long) {
        return TL_COBS_TOO_LONG;
    }
    return decoder->left == 0 ? TL_COBS_FRAME : TL_COBS_BAD;
}

tl_cobs_event_t tl_cobs_feed(tl_cobs_decoder_t *decoder, uint8_t byte) {
    if (byte == 0) {
        return end(decoder);
    }
    if (!decoder->started) {
        tl_cobs_decoder_init(decoder, decoder->buffer, decoder->capacity);
        decoder->started = true;
    }
    if (decoder->left > 0) {
        decoder->left--;
        push(decoder, byte);
        return TL_COBS_MORE;
    }
    if (decoder->zero) {
        push(decoder, 0);
    }
    decoder->left = (uint8_t)(byte - 1u);
    decoder->zero = byte != 0xFFu; /* a full block stands for no zero */
    return TL_COBS_MORE;
}

void tl_cobs_send(const uint8_t *bytes, uint16_t length, void (*put)(uint8_t byte)) {
    uint16_t begin = 0;
    bool more = true;
    while (more) {
        uint16_t stop = begin;
        while (stop < length && bytes[stop] != 0 && (uint32_t)(stop - begin) < BLOCK) {
            stop++;
        }
        bool full = (uint32_t)(stop - begin) == BLOCK;
        put((uint8_t)(stop - begin + 1));
        for (uint16_t i = begin; i < stop; i++) {
            put(bytes[i]);
        }
        /* a zero as the last byte still needs the empty block behind it; a full block at the end does not */
        more = stop < length;
        begin = full ? stop : (uint16_t)(stop + 1u);
    }
    put(0);
}
