#include "link/messages.h"

#include "board.h"
#include "port/port.h"

#ifdef TL_LINK_KEY
#include "tags/tags.h"
#endif

/* head, code, detail, pc, lr, tag, CRC */
#define ERROR_MAX (TL_FRAME_HEAD + 1u + 4u + 4u + 4u + TL_FRAME_TAG + TL_FRAME_CRC)

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
#ifdef TL_LINK_KEY
    tl_tags_plain(); /* nobody asked for it */
#endif
    tl_port_uart_write(0);
    tl_frame_send(&writer);
}

void tl_send_watchdog_notice(void) {
    tl_port_uart_write(0);
    tl_send_error(0, TL_LINK_WATCHDOG, 0);
}

void tl_send_hello(uint8_t *buffer, uint16_t seq, const tl_hello_t *hello) {
    static const char name[16] = TL_BOARD_NAME;
    tl_writer_t writer = tl_frame_begin(buffer, TL_MESSAGE_HELLO | TL_MESSAGE_REPLY, seq);
    tl_put_u32(&writer, (uint32_t)hello->model_id);
    tl_put_u32(&writer, (uint32_t)(hello->model_id >> 32));
    tl_put_u32(&writer, TL_CLOCK_HZ);
    tl_put_u16(&writer, hello->inputs);
    tl_put_u16(&writer, hello->classes);
    tl_put_u16(&writer, hello->window);
    tl_put_u16(&writer, hello->hop);
    tl_put_u8(&writer, hello->score_bytes);
    tl_put_u16(&writer, hello->flags | TL_HELLO_TAGS);
    tl_put_u8(&writer, (uint8_t)tl_port_reset_cause());
    tl_put_u32(&writer, hello->arena);
    tl_put_u32(&writer, hello->state);
    tl_put_u32(&writer, tl_port_stack_size());
    tl_put_u16(&writer, hello->payload_max);
    for (uint8_t i = 0; i < sizeof name; i++) {
        tl_put_u8(&writer, (uint8_t)name[i]);
    }
    tl_frame_send(&writer);
}
