/* Core cycles from the DWT; SysTick stands in on a core whose counter is missing or does not count. */
#include "port/cortex_m/core.h"
#include "port/port.h"

#define DEMCR_TRCENA (1u << 24)
#define DWT_NOCYCCNT (1u << 25)
#define SYSTICK_MASK 0x00FFFFFFu

static bool counter_works;
static uint32_t systick_last;
static uint32_t systick_total;

void tl_port_cycles_init(void) {
    DEMCR |= DEMCR_TRCENA;
    if ((DWT_CTRL & DWT_NOCYCCNT) == 0) {
        DWT_CYCCNT = 0;
        DWT_CTRL |= 1u;
        uint32_t first = DWT_CYCCNT;
        for (uint32_t i = 0; i < 16u; i++) {
            __asm volatile("nop");
        }
        counter_works = DWT_CYCCNT != first;
    }
    if (!counter_works) {
        SYST_RVR = SYSTICK_MASK;
        SYST_CVR = 0;
        SYST_CSR = 5u; /* core clock, enabled, no interrupt */
        systick_last = SYST_CVR & SYSTICK_MASK;
    }
}

uint32_t tl_port_cycles(void) {
    if (counter_works) {
        return DWT_CYCCNT;
    }
    uint32_t now = SYST_CVR & SYSTICK_MASK; /* counts down */
    systick_total += (systick_last - now) & SYSTICK_MASK;
    systick_last = now;
    return systick_total;
}

bool tl_port_cycle_counter_works(void) {
    return counter_works;
}
