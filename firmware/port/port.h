/* What the application asks of a board. One implementation a chip below port/<name>; port/cortex_m holds what the
 * cores share. Everything is polled: no interrupt is ever enabled. */
#ifndef TL_PORT_H
#define TL_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* why the chip started, as sent in the HELLO reply */
typedef enum {
    TL_RESET_UNKNOWN = 0,
    TL_RESET_POWER = 1,
    TL_RESET_PIN = 2,
    TL_RESET_SOFTWARE = 3, /* also the restart after a reported fault */
    TL_RESET_WATCHDOG = 4,
    TL_RESET_OTHER = 5, /* option bytes, low-power security */
} tl_reset_cause_t;

/// The chip: port/<name> ///

/* Make all RAM usable; called before anything else and before the first push. To be written naked, without the stack.
 * A chip whose RAM is all there after reset leaves it out. */
void tl_port_memory_on(void);

/* Start the watchdog, then the clock (TL_CLOCK_HZ), pins and UART (TL_UART_BAUD). Called once, before all others. */
void tl_port_init(void);

tl_reset_cause_t tl_port_reset_cause(void);

/* To be called at least once a second; the watchdog bites after about four. */
void tl_port_feed_watchdog(void);

/* Take a received byte; false when none is there. Line errors are cleared and left to the CRC to find. */
bool tl_port_uart_read(uint8_t *byte);

/* Send a byte, waiting until the transmitter takes it. */
void tl_port_uart_write(uint8_t byte);

/* Wait until the last bit has left. */
void tl_port_uart_flush(void);

/* The rate in baud that would be set when asked for this one, 0 when nothing within 2 % is possible. */
uint32_t tl_port_uart_nearest(uint32_t baud);

/* Set a rate that tl_port_uart_nearest gave. */
void tl_port_uart_set_rate(uint32_t baud);

/// The core: port/cortex_m ///

void tl_port_cycles_init(void);

/* Core clock cycles, wrapping at 2^32. Without a cycle counter SysTick stands in: then it must be called at least
 * every 2^24 cycles to count on. */
uint32_t tl_port_cycles(void);

/* False when SysTick stands in for the cycle counter. */
bool tl_port_cycle_counter_works(void);

/* Bytes of stack that were ever used, from the paint that start-up left. */
uint16_t tl_port_stack_high_water(void);

uint32_t tl_port_stack_size(void);

/* Reset the whole chip. A port may bring its own where the core's reset request does less. */
_Noreturn void tl_port_restart(void);

#endif
