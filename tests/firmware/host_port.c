/* The board port on the host: two byte queues in place of the UART, and knobs for what a test wants to happen. */
#include <stdlib.h>

#include "board.h"
#include "port/port.h"

#define QUEUE 65536u

static uint8_t to_device[QUEUE], to_host[QUEUE];
static uint32_t to_device_read, to_device_write, to_host_read, to_host_write;

uint32_t host_cycles;      /* moves on by host_cycles_step with every look at it */
uint32_t host_cycles_step = 7;
uint32_t host_rate = TL_UART_BAUD;
uint32_t host_reset_cause = TL_RESET_POWER;
uint32_t host_fed; /* times the watchdog was fed */

void host_send(const uint8_t *bytes, uint32_t count);
uint32_t host_receive(uint8_t *bytes, uint32_t count);
uint32_t host_waiting(void);

void host_send(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to_device[to_device_write++ % QUEUE] = bytes[i];
    }
}

/* Bytes the device has not yet taken. */
uint32_t host_waiting(void) {
    return to_device_write - to_device_read;
}

uint32_t host_receive(uint8_t *bytes, uint32_t count) {
    uint32_t taken = 0;
    while (taken < count && to_host_read < to_host_write) {
        bytes[taken++] = to_host[to_host_read++ % QUEUE];
    }
    return taken;
}

void tl_port_init(void) {}

tl_reset_cause_t tl_port_reset_cause(void) {
    return (tl_reset_cause_t)host_reset_cause;
}

void tl_port_feed_watchdog(void) {
    host_fed++;
}

bool tl_port_uart_read(uint8_t *byte) {
    if (host_waiting() == 0) {
        return false;
    }
    *byte = to_device[to_device_read++ % QUEUE];
    return true;
}

void tl_port_uart_write(uint8_t byte) {
    if (to_host_write - to_host_read == QUEUE) {
        abort();
    }
    to_host[to_host_write++ % QUEUE] = byte;
}

void tl_port_uart_flush(void) {}

/* The divider of the STM32 at 80 MHz, from 9600 to TL_UART_MAX_BAUD. */
uint32_t tl_port_uart_nearest(uint32_t baud) {
    return baud < 9600u || baud > TL_UART_MAX_BAUD ? 0 : TL_CLOCK_HZ / ((TL_CLOCK_HZ + baud / 2u) / baud);
}

void tl_port_uart_set_rate(uint32_t baud) {
    host_rate = baud;
}

void tl_port_cycles_init(void) {}

uint32_t tl_port_cycles(void) {
    host_cycles += host_cycles_step;
    return host_cycles;
}

bool tl_port_cycle_counter_works(void) {
    return true;
}

uint16_t tl_port_stack_high_water(void) {
    return 321;
}

uint32_t tl_port_stack_size(void) {
    return 2048;
}

_Noreturn void tl_port_restart(void) {
    exit(3);
}
