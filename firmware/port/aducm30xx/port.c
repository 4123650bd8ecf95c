/* ADuCM302x: 26 MHz from HFOSC, UART0 on the board's pins, watchdog on the 32 kHz oscillator.
 * Registers: Analog Devices' ADuCM302x.h; order of the steps: system_ADuCM3029.c and adi_wdt.c. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define HALF(address) (*(volatile uint16_t *)(uintptr_t)(address)) /* the 16-bit peripherals want 16-bit accesses */

#define WDT 0x40002C00u
#define WDT_LOAD HALF(WDT + 0x00u)
#define WDT_CTL HALF(WDT + 0x08u)
#define WDT_RESTART HALF(WDT + 0x0Cu)
#define WDT_STAT HALF(WDT + 0x18u)
#define WDT_BUSY 0xEu /* COUNTING, LOADING, CLRIRQ: a write is on its way to the slow clock */

#define UART_DATA HALF(TL_UART_BASE + 0x00u)
#define UART_LCR HALF(TL_UART_BASE + 0x0Cu)
#define UART_LSR HALF(TL_UART_BASE + 0x14u)
#define UART_FBR HALF(TL_UART_BASE + 0x24u)
#define UART_DIV HALF(TL_UART_BASE + 0x28u)
#define UART_LCR2 HALF(TL_UART_BASE + 0x2Cu)
#define LSR_DR 0x01u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u

#define GPIO_CFG(port) TL_REGISTER(0x40020000u + 0x40u * (port))
#define PMG0_RST_STAT TL_REGISTER(0x4004C040u)
#define PMG0_CTL1 TL_REGISTER(0x4004C044u)
#define CLKG0_CTL1 TL_REGISTER(0x4004C304u)
#define CLKG0_CTL5 TL_REGISTER(0x4004C314u)

#define RATE_MIN 9600u

static tl_reset_cause_t reset_cause;

/* SRAM mode 2: INSTREN (bit 31 of PMG0_TST_SRAM_CTL) off gives banks 2, 4 and 5 to data. Before that a write to them
 * faults. */
__attribute__((naked)) void tl_port_memory_on(void) {
    __asm volatile(
        "ldr r0, =0x4004C260     \n"
        "ldr r1, [r0]            \n"
        "bic r1, r1, #0x80000000 \n"
        "str r1, [r0]            \n"
        "dsb                     \n"
        "bx  lr                  \n");
}

/* A watchdog reset also sets no other flag but maybe the pin's, so that one counts last. */
static tl_reset_cause_t read_reset_cause(uint32_t status) {
    if ((status & 4u) != 0) {
        return TL_RESET_WATCHDOG;
    }
    if ((status & 8u) != 0) {
        return TL_RESET_SOFTWARE;
    }
    if ((status & 1u) != 0) {
        return TL_RESET_POWER;
    }
    return (status & 2u) != 0 ? TL_RESET_PIN : TL_RESET_UNKNOWN;
}

/* It runs from reset with 32 s. 32768 Hz / 256, 512 counts: 4 s. Writing CTL with the enable bit locks all of it, so the
 * count goes first. */
static void start_watchdog(void) {
    while ((WDT_STAT & WDT_BUSY) != 0) {
    }
    WDT_LOAD = 512u;
    WDT_CTL = 0x69u; /* periodic, enabled, /256, reset at the end; bit 0 as after reset */
}

#define CLOCK_DIVIDER (TL_CLOCK_SOURCE_HZ / TL_CLOCK_HZ)
_Static_assert(CLOCK_DIVIDER >= 1u && CLOCK_DIVIDER <= 32u && CLOCK_DIVIDER * TL_CLOCK_HZ == TL_CLOCK_SOURCE_HZ,
               "the clock must be HFOSC divided by 1 to 32");

static void start_clock(void) {
#if TL_DCDC
    PMG0_CTL1 |= 1u; /* high-power buck: the run current of board.toml counts on it */
#endif
    CLKG0_CTL1 = 0x00100000u | CLOCK_DIVIDER << 8 | CLOCK_DIVIDER; /* HCLK and PCLK; the other fields as after reset */
}

static void set_function(uint32_t port, uint32_t mask, uint32_t bits) {
    GPIO_CFG(port) = (GPIO_CFG(port) & ~mask) | bits;
}

#define TX_MASK (3u << 2u * TL_UART_TX_PIN)
#define RX_MASK (3u << 2u * TL_UART_RX_PIN)
#define TX_FUNCTION ((uint32_t)TL_UART_TX_FUNCTION << 2u * TL_UART_TX_PIN)
#define RX_FUNCTION ((uint32_t)TL_UART_RX_FUNCTION << 2u * TL_UART_RX_PIN)

static void start_uart(void) {
    CLKG0_CTL5 &= ~(3u << 4); /* clocks of GPIO and of the peripherals */
    if (TL_UART_TX_PORT == TL_UART_RX_PORT) {
        set_function(TL_UART_TX_PORT, TX_MASK | RX_MASK, TX_FUNCTION | RX_FUNCTION);
    } else {
        set_function(TL_UART_TX_PORT, TX_MASK, TX_FUNCTION);
        set_function(TL_UART_RX_PORT, RX_MASK, RX_FUNCTION);
    }
    tl_port_uart_set_rate(TL_UART_BAUD);
}

void tl_port_init(void) {
    start_watchdog();
    reset_cause = read_reset_cause(PMG0_RST_STAT);
    PMG0_RST_STAT = 0xFu; /* write one to clear: the next start shall see its own cause only */
    start_clock();
    start_uart();
}

tl_reset_cause_t tl_port_reset_cause(void) {
    return reset_cause;
}

/* Called more often than the slow clock takes a restart over: one that is on its way is enough. */
void tl_port_feed_watchdog(void) {
    if ((WDT_STAT & WDT_BUSY) == 0) {
        WDT_RESTART = 0xCCCCu;
    }
}

bool tl_port_uart_read(uint8_t *byte) {
    if ((UART_LSR & LSR_DR) == 0) { /* reading it clears the errors */
        return false;
    }
    *byte = (uint8_t)UART_DATA;
    return true;
}

void tl_port_uart_write(uint8_t byte) {
    while ((UART_LSR & LSR_THRE) == 0) {
    }
    UART_DATA = byte;
}

void tl_port_uart_flush(void) {
    while ((UART_LSR & LSR_TEMT) == 0) {
    }
}

/* rate = PCLK / (16 * div * (m + n / 2048)), m = 1, n < 2048, div up to 65535. In 1/2048 the quotient fits 32 bits. */
#define PARTS (TL_CLOCK_HZ / 16u * 2048u)
_Static_assert(TL_CLOCK_HZ % 16u == 0 && TL_CLOCK_HZ / 16u < (1u << 21), "PARTS is exact");

static uint32_t divider(uint32_t baud) {
    return TL_CLOCK_HZ / 16u / baud;
}

/* 2048 * (m + n / 2048), to the nearest, below 4096 */
static uint32_t fraction(uint32_t baud, uint32_t div) {
    uint32_t product = baud * div;
    uint32_t parts = (PARTS + product / 2u) / product;
    return parts > 4095u ? 4095u : parts;
}

uint32_t tl_port_uart_nearest(uint32_t baud) {
    if (baud < RATE_MIN || baud > TL_UART_MAX_BAUD) {
        return 0;
    }
    uint32_t product = divider(baud) * fraction(baud, divider(baud));
    return (PARTS + product / 2u) / product; /* off by less than 0.05 % */
}

void tl_port_uart_set_rate(uint32_t baud) {
    uint32_t div = divider(baud);
    UART_LCR = 3u; /* 8 bits, no parity, one stop bit */
    UART_LCR2 = 2u; /* 16 samples a bit */
    UART_DIV = (uint16_t)div;
    UART_FBR = (uint16_t)(0x8000u | fraction(baud, div)); /* enabled; m in bits 12:11, n in 10:0 */
}
