/* nRF52: System ON idle between samples, woken by RTC0 on the 32768 Hz crystal. All RAM is kept; the 64 MHz crystal is off,
 * and awake the core runs on the RC oscillator, which needs no wait.
 * The compare event makes RTC0's interrupt pending, which SEVONPEND turns into the event that ends WFE; it is not enabled.
 * The firmware never enables the FPU, so no exception of it is pending that would end each sleep at once (anomaly 87).
 * Registers: nrf52.svd and nrf52840.svd for CLOCK; RTC0 from general knowledge; tried in the emulator only. */
#include "port/sleep.h"

#include "board.h"
#include "port/cortex_m/core.h"

#define CLOCK_HFCLKSTOP TL_REGISTER(0x40000004u)
#define CLOCK_LFCLKSTART TL_REGISTER(0x40000008u)
#define CLOCK_LFCLKSTARTED TL_REGISTER(0x40000104u)
#define CLOCK_LFCLKSRC TL_REGISTER(0x40000518u)
#define CRYSTAL 1u

#define UART_STOPRX TL_REGISTER(TL_UART_BASE + 0x004u)
#define UART_STOPTX TL_REGISTER(TL_UART_BASE + 0x00Cu)
#define UART_ENABLE TL_REGISTER(TL_UART_BASE + 0x500u)

#define RTC0 0x4000B000u
#define RTC_START TL_REGISTER(RTC0 + 0x000u)
#define RTC_COMPARE0 TL_REGISTER(RTC0 + 0x140u)
#define RTC_INTENSET TL_REGISTER(RTC0 + 0x304u)
#define RTC_COUNTER TL_REGISTER(RTC0 + 0x504u)
#define RTC_PRESCALER TL_REGISTER(RTC0 + 0x508u)
#define RTC_CC0 TL_REGISTER(RTC0 + 0x540u)
#define COMPARE0 (1u << 16)
#define COUNTER_BITS 0x00FFFFFFu
#define TICKS_HZ 32768u
#define NEAREST 2u /* a compare value one tick ahead may be missed */

#define NVIC_ICPR0 TL_REGISTER(0xE000E280u)
#define RTC0_PENDING (1u << 11)
#define SCB_SCR TL_REGISTER(0xE000ED10u)
#define SEVONPEND (1u << 4)

static uint32_t period; /* in thousandths of a tick, so that the rate is exact on average */
static uint32_t rest;
static uint32_t next;

/* The end of the next period; when a sample took longer than one, at once. */
static void set_next(void) {
    uint32_t ticks = (period + rest) / 1000u;
    rest = (period + rest) % 1000u;
    next = (next + ticks) & COUNTER_BITS;
    uint32_t ahead = (next - RTC_COUNTER) & COUNTER_BITS;
    if (ahead < NEAREST || ahead > ticks) {
        next = (RTC_COUNTER + NEAREST) & COUNTER_BITS;
    }
    RTC_CC0 = next;
}

static void clear_event(void) {
    RTC_COMPARE0 = 0;
    (void)RTC_COMPARE0; /* the write has arrived, so the interrupt does not become pending again */
    NVIC_ICPR0 = RTC0_PENDING;
}

void tl_port_sleep_init(uint32_t period_ms) {
    UART_STOPRX = 1u;
    UART_STOPTX = 1u;
    UART_ENABLE = 0; /* it would keep the 64 MHz clock on */
    CLOCK_HFCLKSTOP = 1u;
    CLOCK_LFCLKSTARTED = 0;
    CLOCK_LFCLKSRC = CRYSTAL;
    CLOCK_LFCLKSTART = 1u;
    while (CLOCK_LFCLKSTARTED == 0) {
    }
    period = period_ms * TICKS_HZ; /* at most 131 s */
    RTC_PRESCALER = 0;
    RTC_INTENSET = COMPARE0;
    SCB_SCR |= SEVONPEND;
    clear_event();
    RTC_START = 1u;
    next = RTC_COUNTER;
    set_next();
}

/* WFE may return early, for an event that was left over: only the timer's event ends the sleep. */
void tl_port_sleep(void) {
    while (RTC_COMPARE0 == 0) {
        __asm volatile("dsb\n\twfe" ::: "memory");
    }
    clear_event();
    set_next();
}
