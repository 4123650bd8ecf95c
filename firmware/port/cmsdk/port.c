/* The virtual boards: UART, watchdog and reset causes of Arm's Cortex-M System Design Kit (ARM DDI 0479D) at the addresses
 * of its example system. The clock is there after reset; pins need no setting. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define UART_DATA TL_REGISTER(TL_UART_BASE + 0x00u)
#define UART_STATE TL_REGISTER(TL_UART_BASE + 0x04u)
#define UART_CTRL TL_REGISTER(TL_UART_BASE + 0x08u)
#define UART_BAUDDIV TL_REGISTER(TL_UART_BASE + 0x10u)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define STATE_RX_OVERRUN 8u

#define WDOG 0x40008000u
#define WDOG_LOAD TL_REGISTER(WDOG + 0x00u)
#define WDOG_CONTROL TL_REGISTER(WDOG + 0x08u)
#define WDOG_INTCLR TL_REGISTER(WDOG + 0x0Cu)

#define RSTINFO TL_REGISTER(0x4001F010u)

#define RATE_MIN 9600u

static tl_reset_cause_t reset_cause;

static tl_reset_cause_t read_reset_cause(uint32_t info) {
    if ((info & 2u) != 0) { /* WDOGRESETREQ */
        return TL_RESET_WATCHDOG;
    }
    if ((info & 1u) != 0) { /* SYSRESETREQ */
        return TL_RESET_SOFTWARE;
    }
    return info == 0 ? TL_RESET_POWER : TL_RESET_OTHER; /* lock-up */
}

void tl_port_init(void) {
    WDOG_LOAD = TL_CLOCK_HZ * 2u; /* resets at the second end: after 4 s */
    WDOG_CONTROL = 3u;            /* INTEN starts it; RESEN */
    reset_cause = read_reset_cause(RSTINFO);
    RSTINFO = 7u; /* the next start shall see its own cause only */
    tl_port_uart_set_rate(TL_UART_BAUD);
}

tl_reset_cause_t tl_port_reset_cause(void) {
    return reset_cause;
}

void tl_port_feed_watchdog(void) {
    WDOG_INTCLR = 1u; /* any value: clears the first end and counts from the start */
}

bool tl_port_uart_read(uint8_t *byte) {
    if ((UART_STATE & STATE_RX_FULL) == 0) {
        return false;
    }
    *byte = (uint8_t)UART_DATA;
    UART_STATE = STATE_RX_OVERRUN; /* the CRC finds what was lost */
    return true;
}

void tl_port_uart_write(uint8_t byte) {
    while ((UART_STATE & STATE_TX_FULL) != 0) {
    }
    UART_DATA = byte;
}

/* The buffer is one byte deep: when it is empty the last one is on its way. */
void tl_port_uart_flush(void) {
    while ((UART_STATE & STATE_TX_FULL) != 0) {
    }
}

uint32_t tl_port_uart_nearest(uint32_t baud) {
    if (baud < RATE_MIN || baud > TL_UART_MAX_BAUD) {
        return 0;
    }
    return TL_CLOCK_HZ / ((TL_CLOCK_HZ + baud / 2u) / baud); /* within 0.6 % up to 921600 */
}

void tl_port_uart_set_rate(uint32_t baud) {
    UART_CTRL = 0;
    UART_BAUDDIV = (TL_CLOCK_HZ + baud / 2u) / baud;
    UART_CTRL = 3u; /* transmitter, receiver */
}
