#include "link/frame.h"

#include "link/cobs.h"
#include "link/crc16.h"
#include "port/port.h"
#ifdef TL_LINK_KEY
#include "tags/tags.h"
#endif

uint16_t tl_get_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | (bytes[1] << 8));
}

uint32_t tl_get_u32(const uint8_t *bytes) {
    return tl_get_u16(bytes) | ((uint32_t)tl_get_u16(bytes + 2) << 16);
}

uint64_t tl_get_u64(const uint8_t *bytes) {
    return tl_get_u32(bytes) | ((uint64_t)tl_get_u32(bytes + 4) << 32);
}

tl_link_error_t tl_frame_parse(uint8_t *payload, uint16_t length, tl_frame_t *frame) {
    if (length < TL_FRAME_HEAD + TL_FRAME_CRC) {
        return TL_LINK_UNREADABLE;
    }
    uint16_t covered = (uint16_t)(length - TL_FRAME_CRC);
    if (tl_crc16(TL_CRC16_START, payload, covered) != tl_get_u16(payload + covered)) {
        return TL_LINK_CRC;
    }
    *frame = (tl_frame_t){
        .version = payload[0],
        .type = payload[1],
        .seq = tl_get_u16(payload + 2),
        .body = payload + TL_FRAME_HEAD,
        .length = (uint16_t)(covered - TL_FRAME_HEAD),
    };
    return frame->version == TL_LINK_VERSION ? TL_LINK_OK : TL_LINK_BAD_VERSION;
}

tl_writer_t tl_frame_begin(uint8_t *buffer, uint8_t type, uint16_t seq) {
    tl_writer_t writer = {.bytes = buffer, .length = 0};
    tl_put_u8(&writer, TL_LINK_VERSION);
    tl_put_u8(&writer, type);
    tl_put_u16(&writer, seq);
    return writer;
}

void tl_put_u8(tl_writer_t *writer, uint8_t value) {
    writer->bytes[writer->length++] = value;
}

void tl_put_u16(tl_writer_t *writer, uint16_t value) {
    tl_put_u8(writer, (uint8_t)value);
    tl_put_u8(writer, (uint8_t)(value >> 8));
}

void tl_put_u32(tl_writer_t *writer, uint32_t value) {
    tl_put_u16(writer, (uint16_t)value);
    tl_put_u16(writer, (uint16_t)(value >> 16));
}

void tl_frame_send(tl_writer_t *writer) {
#ifdef TL_LINK_KEY
    tl_tags_sign(writer);
#endif
    tl_put_u16(writer, tl_crc16(TL_CRC16_START, writer->bytes, writer->length));
    tl_cobs_send(writer->bytes, writer->length, tl_port_uart_write);
}
