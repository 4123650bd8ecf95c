/* STM32L432KC: 80 MHz from HSI16, USART2 on PA2 and PA15, independent watchdog.
 * Registers: RM0394 and ST's stm32l432xx.h v1.7.4. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define RCC 0x40021000u
#define RCC_CR TL_REGISTER(RCC + 0x00u)
#define RCC_CFGR TL_REGISTER(RCC + 0x08u)
#define RCC_PLLCFGR TL_REGISTER(RCC + 0x0Cu)
#define RCC_AHB2ENR TL_REGISTER(RCC + 0x4Cu)
#define RCC_APB1ENR1 TL_REGISTER(RCC + 0x58u)
#define RCC_CSR TL_REGISTER(RCC + 0x94u)

#define FLASH_ACR TL_REGISTER(0x40022000u)

#define GPIOA 0x48000000u
#define GPIOA_MODER TL_REGISTER(GPIOA + 0x00u)
#define GPIOA_AFRL TL_REGISTER(GPIOA + 0x20u)
#define GPIOA_AFRH TL_REGISTER(GPIOA + 0x24u)

#define USART_CR1 TL_REGISTER(TL_UART_BASE + 0x00u)
#define USART_BRR TL_REGISTER(TL_UART_BASE + 0x0Cu)
#define USART_ISR TL_REGISTER(TL_UART_BASE + 0x1Cu)
#define USART_ICR TL_REGISTER(TL_UART_BASE + 0x20u)
#define USART_RDR TL_REGISTER(TL_UART_BASE + 0x24u)
#define USART_TDR TL_REGISTER(TL_UART_BASE + 0x28u)

#define IWDG 0x40003000u
#define IWDG_KR TL_REGISTER(IWDG + 0x00u)
#define IWDG_PR TL_REGISTER(IWDG + 0x04u)
#define IWDG_RLR TL_REGISTER(IWDG + 0x08u)

#define RATE_MIN 9600u

static tl_reset_cause_t reset_cause;

/* Change the bits of `mask`: pins of port A also carry the debugger, and the reset value is not zero. */
static void change(volatile uint32_t *reg, uint32_t mask, uint32_t bits) {
    *reg = (*reg & ~mask) | bits;
}

/* An internal reset also pulls the reset pin, so the pin's flag counts last. */
static tl_reset_cause_t read_reset_cause(uint32_t csr) {
    if ((csr & (3u << 29)) != 0) { /* IWDGRSTF, WWDGRSTF */
        return TL_RESET_WATCHDOG;
    }
    if ((csr & (1u << 28)) != 0) { /* SFTRSTF */
        return TL_RESET_SOFTWARE;
    }
    if ((csr & ((1u << 31) | (1u << 25) | (1u << 24))) != 0) { /* LPWRRSTF, OBLRSTF, FWRSTF */
        return TL_RESET_OTHER;
    }
    if ((csr & (1u << 27)) != 0) { /* BORRSTF: also set at power-on */
        return TL_RESET_POWER;
    }
    return (csr & (1u << 26)) != 0 ? TL_RESET_PIN : TL_RESET_UNKNOWN;
}

/* LSI 32 kHz / 32, 4000 counts: 4 s, 3.7 to 4.3 s over the LSI's tolerance. Once started nothing but a reset stops it.
 * The new count holds from the first feeding after the update, so its busy flag need not be waited for. */
static void start_watchdog(void) {
    IWDG_KR = 0xCCCCu;
    IWDG_KR = 0x5555u;
    IWDG_PR = 3u;
    IWDG_RLR = 4000u;
    IWDG_KR = 0xAAAAu;
}

/* HSI16 / 1 * 10 / 2 = 80 MHz. A loop that never ends ends in a watchdog reset. */
static void start_clock(void) {
    FLASH_ACR = 0x700u | TL_FLASH_WAIT_STATES; /* prefetch, both caches */
    while ((FLASH_ACR & 7u) != TL_FLASH_WAIT_STATES) {
    }
    RCC_CR |= 1u << 8; /* HSION */
    while ((RCC_CR & (1u << 10)) == 0) {
    }
    RCC_PLLCFGR = 0x01000A02u;
    RCC_CR |= 1u << 24; /* PLLON */
    while ((RCC_CR & (1u << 25)) == 0) {
    }
    change(&RCC_CFGR, 3u, 3u);
    while ((RCC_CFGR & (3u << 2)) != (3u << 2)) {
    }
}

static void start_uart(void) {
    RCC_AHB2ENR |= 1u;
    RCC_APB1ENR1 |= 1u << 17;
    (void)RCC_APB1ENR1; /* the clock runs two cycles after the write: read back before the first use */
    change(&GPIOA_AFRL, 0xFu << 8, 7u << 8);
    change(&GPIOA_AFRH, 0xFu << 28, 3u << 28);
    change(&GPIOA_MODER, (3u << 4) | (3u << 30), (2u << 4) | (2u << 30));
    tl_port_uart_set_rate(TL_UART_BAUD);
}

void tl_port_init(void) {
    start_watchdog();
    reset_cause = read_reset_cause(RCC_CSR);
    RCC_CSR |= 1u << 23; /* RMVF: the next start shall see its own cause only */
    start_clock();
    start_uart();
}

tl_reset_cause_t tl_port_reset_cause(void) {
    return reset_cause;
}

void tl_port_feed_watchdog(void) {
    IWDG_KR = 0xAAAAu;
}

bool tl_port_uart_read(uint8_t *byte) {
    uint32_t status = USART_ISR;
    if ((status & 0xFu) != 0) {
        USART_ICR = 0xFu; /* parity, framing, noise, overrun: an overrun left standing would stop reception */
    }
    if ((status & (1u << 5)) == 0) {
        return false;
    }
    *byte = (uint8_t)USART_RDR;
    return true;
}

void tl_port_uart_write(uint8_t byte) {
    while ((USART_ISR & (1u << 7)) == 0) {
    }
    USART_TDR = byte;
}

void tl_port_uart_flush(void) {
    while ((USART_ISR & (1u << 6)) == 0) {
    }
}

uint32_t tl_port_uart_nearest(uint32_t baud) {
    if (baud < RATE_MIN || baud > TL_UART_MAX_BAUD) {
        return 0;
    }
    uint32_t nearest = TL_CLOCK_HZ / ((TL_CLOCK_HZ + baud / 2u) / baud);
    uint32_t off = nearest > baud ? nearest - baud : baud - nearest;
    return off > baud / 50u ? 0 : nearest;
}

void tl_port_uart_set_rate(uint32_t baud) {
    USART_CR1 = 0; /* BRR can be written only while the USART is off */
    USART_BRR = (TL_CLOCK_HZ + baud / 2u) / baud;
    USART_CR1 = 0xDu; /* UE, RE, TE */
    while ((USART_ISR & (3u << 21)) != (3u << 21)) { /* TEACK, REACK */
    }
}
