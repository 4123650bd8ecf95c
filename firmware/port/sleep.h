/* Sleep between samples, for ports that have it: RAM is kept, a timer wakes the core, no interrupt is ever taken. */
#ifndef TL_SLEEP_H
#define TL_SLEEP_H

#include <stdint.h>

/* Start the timer, and take the clock that the core has after a sleep. The UART's clock goes off. Called once. */
void tl_port_sleep_init(uint32_t period_ms);

/* Sleep until the timer's period ends; when it has ended already, not at all. */
void tl_port_sleep(void);

#endif
