#include "link/messages.h"

#include "port/port.h"

/* head, code, detail, pc, lr, CRC */
#define ERROR_MAX (TL_FRAME_HEAD + 1u + 4u + 4u + 4u + TL_FRAME_CRC)

static tl_writer_t begin_error(uint8_t *buffer, uint16_t seq, tl_link_error_t code, uint32_t detail) {
    tl_writer_t writer = tl_frame_begin(buffer, TL_MESSAGE_ERROR, seq);
    tl_put_u8(&writer, (uint8_t)code);
    tl_put_u32(&writer, detail);
    return writer;
}

void tl_send_error(uint16_t seq, tl_link_error_t code, uint32_t detail) {
    uint8_t buffer[ERROR_MAX];
    tl_writer_t writer = begin_error(buffer, seq, code, detail);
    tl_frame_send(&writer);
}

void tl_send_fault(uint32_t cfsr, uint32_t pc, uint32_t lr) {
    uint8_t buffer[ERROR_MAX];
    tl_writer_t writer = begin_error(buffer, 0, TL_LINK_FAULT, cfsr);
    tl_put_u32(&writer, pc);
    tl_put_u32(&writer, lr);
    tl_port_uart_write(0);
    tl_frame_send(&writer);
}

void tl_send_watchdog_notice(void) {
    tl_port_uart_write(0);
    tl_send_error(0, TL_LINK_WATCHDOG, 0);
}
