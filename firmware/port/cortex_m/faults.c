/* A fault is told over the link, then the chip restarts: the host learns what happened and can go on. */
#include "link/messages.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

/* what the core pushes on exception entry: r0-r3, r12, lr, pc, xpsr */
enum { FRAME_LR = 5, FRAME_PC = 6 };

_Noreturn void tl_fault_report(const uint32_t *frame);

/* After an overflow there is no stack to run on: below 256 free bytes the handler takes the stack from its top again.
 * Nothing returns to what is there, and the pushed frame, if there is one, lies at the other end. */
__attribute__((naked)) void tl_fault_entry(void) {
    __asm volatile(
        "mrs   r0, msp            \n"
        "ldr   r1, =__stack_start \n"
        "cmp   r0, r1             \n"
        "itt   lo                 \n"
        "movlo r0, #0             \n" /* the frame could not be pushed */
        "blo   1f                 \n"
        "add   r1, r1, #256       \n"
        "cmp   r0, r1             \n"
        "bhs   2f                 \n"
        "1:                       \n"
        "ldr   r1, =__stack_end   \n"
        "msr   msp, r1            \n"
        "2:                       \n"
        "b     tl_fault_report    \n");
}

__attribute__((used)) _Noreturn void tl_fault_report(const uint32_t *frame) {
    uint32_t pc = 0;
    uint32_t lr = 0;
    if (frame != 0 && frame + 8 <= __stack_end) {
        pc = frame[FRAME_PC];
        lr = frame[FRAME_LR];
    }
    tl_port_feed_watchdog();
    tl_send_fault(SCB_CFSR, pc, lr);
    tl_port_uart_flush();
    tl_port_restart();
}
