/* STM32L4: Stop 2 between samples, woken by LPTIM1 on the LSI through an event of EXTI line 32. All RAM is kept.
 * Awake the core runs on HSI16, which Stop 2 leaves with: the PLL would take longer to lock than a sample takes.
 * Registers: RM0394 (PWR, RCC, EXTI, LPTIM), from general knowledge; tried in the emulator only. */
#include "port/sleep.h"

#include "port/cortex_m/core.h"
#include "port/stm32l4/usart.h"

#define RCC_CR TL_REGISTER(RCC + 0x00u)
#define RCC_CFGR TL_REGISTER(RCC + 0x08u)
#define RCC_CCIPR TL_REGISTER(RCC + 0x88u)
#define RCC_CSR TL_REGISTER(RCC + 0x94u)

#define PWR_CR1 TL_REGISTER(0x40007000u)
#define EXTI_EMR2 TL_REGISTER(0x40010424u)
#define SCB_SCR TL_REGISTER(0xE000ED10u)

#define LPTIM1 0x40007C00u
#define LPTIM_ISR TL_REGISTER(LPTIM1 + 0x00u)
#define LPTIM_ICR TL_REGISTER(LPTIM1 + 0x04u)
#define LPTIM_IER TL_REGISTER(LPTIM1 + 0x08u)
#define LPTIM_CFGR TL_REGISTER(LPTIM1 + 0x0Cu)
#define LPTIM_CR TL_REGISTER(LPTIM1 + 0x10u)
#define LPTIM_ARR TL_REGISTER(LPTIM1 + 0x18u)

#define ARRM (1u << 1) /* the counter reached its end: ISR, ICR, IER */
#define COUNTS_PER_MS 4u /* LSI 32 kHz / 8 */
#define SLEEPDEEP (1u << 2)

void tl_port_sleep_init(uint32_t period_ms) {
    RCC_CSR |= 1u; /* LSION; the watchdog has started it, but does not say so */
    while ((RCC_CSR & 2u) == 0) {
    }
    RCC_CCIPR = (RCC_CCIPR & ~(3u << 18)) | (1u << 18); /* LPTIM1 counts the LSI */
    RCC_APB1ENR1 |= (1u << 31) | (1u << 28);            /* LPTIM1, PWR */
    USART_ENR &= ~USART_ENR_BIT;
    (void)RCC_APB1ENR1;
    LPTIM_CFGR = 3u << 9; /* / 8 */
    LPTIM_IER = ARRM;
    LPTIM_CR = 1u; /* ENABLE, before ARR may be written */
    LPTIM_ARR = period_ms * COUNTS_PER_MS - 1u;
    while ((LPTIM_ISR & (1u << 4)) == 0) { /* ARROK */
    }
    LPTIM_CR = 1u | (1u << 2); /* CNTSTRT: for ever */
    EXTI_EMR2 |= 1u;
    PWR_CR1 = (PWR_CR1 & ~7u) | 2u; /* LPMS: Stop 2 */
    RCC_CFGR |= 1u << 15;           /* STOPWUCK: HSI16 */
    RCC_CFGR = (RCC_CFGR & ~3u) | 1u;
    while ((RCC_CFGR & (3u << 2)) != (1u << 2)) {
    }
    RCC_CR &= ~(1u << 24); /* PLL off */
}

/* WFE may return early, for an event that was left over: only the timer's flag ends the sleep. */
void tl_port_sleep(void) {
    SCB_SCR |= SLEEPDEEP;
    while ((LPTIM_ISR & ARRM) == 0) {
        __asm volatile("dsb\n\twfe" ::: "memory");
    }
    SCB_SCR &= ~SLEEPDEEP;
    LPTIM_ICR = ARRM;
}
