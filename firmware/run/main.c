/* Runs a network under `tinyloc run`: the host writes into the harness's inputs, sends a byte, and reads its outputs when
 * the byte comes back. */
#include "harness.h"
#include "port/port.h"

enum { RESET = 'r' }; /* any other byte runs the network */

void tl_send_fault(uint32_t cfsr, uint32_t pc, uint32_t lr);

/* The emulator tells a fault with more than these three. */
void tl_send_fault(uint32_t cfsr, uint32_t pc, uint32_t lr)
{
    (void)cfsr;
    (void)pc;
    (void)lr;
}

int main(void)
{
    tl_harness_reset();
    for (;;) {
        uint8_t byte;
        tl_port_feed_watchdog();
        if (!tl_port_uart_read(&byte)) {
            continue;
        }
        if (byte == RESET) {
            tl_harness_reset();
        } else {
            tl_harness_run();
        }
        tl_port_uart_write(byte);
    }
}
