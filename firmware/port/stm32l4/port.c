/* STM32L4: clock from HSI16 or MSI, with the PLL where it differs; a USART on the board's pins; independent watchdog.
 * Registers: RM0394, RM0351, ST's stm32l432xx.h and stm32l476xx.h v1.7.4, which agree in all that is used here. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"
#include "port/stm32l4/usart.h"

#define RCC_CR TL_REGISTER(RCC + 0x00u)
#define RCC_CFGR TL_REGISTER(RCC + 0x08u)
#define RCC_PLLCFGR TL_REGISTER(RCC + 0x0Cu)
#define RCC_AHB2ENR TL_REGISTER(RCC + 0x4Cu)
#define RCC_CSR TL_REGISTER(RCC + 0x94u)

#define FLASH_ACR TL_REGISTER(0x40022000u)

#define GPIO(port) (0x48000000u + 0x400u * (port))
#define GPIO_MODER(port) TL_REGISTER(GPIO(port) + 0x00u)
#define GPIO_AFR(port, pin) TL_REGISTER(GPIO(port) + ((pin) < 8u ? 0x20u : 0x24u))

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

/* PLL: source / M * N / R. M = 1 and R = 2 where that gives the clock, as in HSI16 / 1 * 10 / 2 = 80 MHz; else source / M =
 * 4 MHz and R = 4, so that N is the clock in MHz. Limits: input 4 to 16 MHz, N 8 to 86, source / M * N 64 to 344 MHz. */
#define SHORT_N (2u * TL_CLOCK_HZ / TL_CLOCK_SOURCE_HZ)
#define SHORT_WORKS (2u * TL_CLOCK_HZ % TL_CLOCK_SOURCE_HZ == 0 && SHORT_N >= 8u && SHORT_N <= 86u && TL_CLOCK_HZ >= 32000000u)
#define PLL_M (SHORT_WORKS ? 1u : TL_CLOCK_SOURCE_HZ / 4000000u)
#define PLL_N (SHORT_WORKS ? SHORT_N : TL_CLOCK_HZ / 1000000u)
#define PLL_R (SHORT_WORKS ? 2u : 4u)
#define PLL_USED (TL_CLOCK_HZ != TL_CLOCK_SOURCE_HZ)
_Static_assert(!PLL_USED || TL_CLOCK_SOURCE_HZ / PLL_M * PLL_N / PLL_R == TL_CLOCK_HZ, "no PLL setting gives this clock");
_Static_assert(!PLL_USED || (PLL_N >= 16u && PLL_N <= 86u) || SHORT_WORKS, "the PLL gives 16 to 80 MHz, in whole MHz");
_Static_assert(TL_CLOCK_HZ <= 80000000u, "the core takes at most 80 MHz");
#if defined(TL_CLOCK_SOURCE_HSI16)
#define SOURCE_ON (1u << 8)     /* HSION; HSIRDY two bits above */
#define SOURCE_READY (1u << 10)
#define SOURCE_PLL 2u           /* PLLSRC */
#define SOURCE_SYSTEM 1u        /* SW */
#elif defined(TL_CLOCK_SOURCE_MSI)
#define SOURCE_ON 1u
#define SOURCE_READY 2u
#define SOURCE_PLL 1u
#define SOURCE_SYSTEM 0u
#else
#error "board.toml: clock.source must be HSI16 or MSI; no crystal is supported"
#endif
#define SYSTEM (PLL_USED ? 3u : SOURCE_SYSTEM)

/* A loop that never ends ends in a watchdog reset. */
static void start_clock(void) {
    FLASH_ACR = 0x700u | TL_FLASH_WAIT_STATES; /* prefetch, both caches */
    while ((FLASH_ACR & 7u) != TL_FLASH_WAIT_STATES) {
    }
    RCC_CR |= SOURCE_ON;
    while ((RCC_CR & SOURCE_READY) == 0) {
    }
    if (PLL_USED) {
        RCC_PLLCFGR = ((PLL_R / 2u - 1u) << 25) | (1u << 24) | (PLL_N << 8) | ((PLL_M - 1u) << 4) | SOURCE_PLL;
        RCC_CR |= 1u << 24; /* PLLON */
        while ((RCC_CR & (1u << 25)) == 0) {
        }
    }
    change(&RCC_CFGR, 3u, SYSTEM);
    while ((RCC_CFGR & (3u << 2)) != (SYSTEM << 2)) {
    }
}

#define FIELD(bits, pin, value) ((uint32_t)(value) << (bits) * ((pin) & (32u / (bits) - 1u)))
#define TX_MODE FIELD(2u, TL_UART_TX_PIN, 2u) /* alternate function */
#define RX_MODE FIELD(2u, TL_UART_RX_PIN, 2u)
#define TX_MODE_MASK FIELD(2u, TL_UART_TX_PIN, 3u)
#define RX_MODE_MASK FIELD(2u, TL_UART_RX_PIN, 3u)

static void set_function(uint32_t port, uint32_t pin, uint32_t function) {
    change(&GPIO_AFR(port, pin), FIELD(4u, pin, 0xFu), FIELD(4u, pin, function));
}

static void start_uart(void) {
    RCC_AHB2ENR |= (1u << TL_UART_TX_PORT) | (1u << TL_UART_RX_PORT);
    USART_ENR |= USART_ENR_BIT;
    (void)USART_ENR; /* the clock runs two cycles after the write: read back before the first use */
    set_function(TL_UART_TX_PORT, TL_UART_TX_PIN, TL_UART_TX_FUNCTION);
    set_function(TL_UART_RX_PORT, TL_UART_RX_PIN, TL_UART_RX_FUNCTION);
    if (TL_UART_TX_PORT == TL_UART_RX_PORT) {
        change(&GPIO_MODER(TL_UART_TX_PORT), TX_MODE_MASK | RX_MODE_MASK, TX_MODE | RX_MODE);
    } else {
        change(&GPIO_MODER(TL_UART_TX_PORT), TX_MODE_MASK, TX_MODE);
        change(&GPIO_MODER(TL_UART_RX_PORT), RX_MODE_MASK, RX_MODE);
    }
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
