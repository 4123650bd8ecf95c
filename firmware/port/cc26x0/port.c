/* CC26x0: 48 MHz from RCOSC_HF as the boot ROM leaves it, flash cache, UART0 on the board's pins, watchdog.
 * Registers: TI's driverlib headers (hw_prcm.h, hw_ioc.h, hw_uart.h, hw_vims.h, hw_wdt.h, hw_aon_sysctl.h); order of the
 * steps as in RIOT's cc26xx_cc13xx. Not done: TI's SetupTrimDevice, which RIOT makes optional; a radio would need it. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define VIMS_STAT TL_REGISTER(0x40034000u)
#define VIMS_CTL TL_REGISTER(0x40034004u)

#define WDT 0x40080000u
#define WDT_LOAD TL_REGISTER(WDT + 0x00u)
#define WDT_CTL TL_REGISTER(WDT + 0x08u)
#define WDT_ICR TL_REGISTER(WDT + 0x0Cu)

#define IOC_IOCFG(pin) TL_REGISTER(0x40081000u + 4u * (pin))

#define PRCM 0x40082000u
#define PRCM_CLKLOADCTL TL_REGISTER(PRCM + 0x028u)
#define PRCM_GPIOCLKGR TL_REGISTER(PRCM + 0x048u)
#define PRCM_UARTCLKGR TL_REGISTER(PRCM + 0x06Cu)
#define PRCM_WARMRESET TL_REGISTER(PRCM + 0x110u)
#define PRCM_PDCTL0SERIAL TL_REGISTER(PRCM + 0x134u)
#define PRCM_PDCTL0PERIPH TL_REGISTER(PRCM + 0x138u)
#define PRCM_PDSTAT0SERIAL TL_REGISTER(PRCM + 0x148u)
#define PRCM_PDSTAT0PERIPH TL_REGISTER(PRCM + 0x14Cu)

#define AON_RESETCTL TL_REGISTER(0x40090004u)

#define UART_DR TL_REGISTER(TL_UART_BASE + 0x00u)
#define UART_FR TL_REGISTER(TL_UART_BASE + 0x18u)
#define UART_IBRD TL_REGISTER(TL_UART_BASE + 0x24u)
#define UART_FBRD TL_REGISTER(TL_UART_BASE + 0x28u)
#define UART_LCRH TL_REGISTER(TL_UART_BASE + 0x2Cu)
#define UART_CTL TL_REGISTER(TL_UART_BASE + 0x30u)
#define FR_BUSY 0x08u
#define FR_RXFE 0x10u
#define FR_TXFF 0x20u

#define RATE_MIN 9600u
_Static_assert(TL_CLOCK_HZ == TL_CLOCK_SOURCE_HZ, "the clock of this port is not divided");

static tl_reset_cause_t reset_cause;

/* A watchdog reset is warm: it leaves RESETCTL as the reset before it did, so its own flag goes first. */
static tl_reset_cause_t read_reset_cause(uint32_t warm, uint32_t control) {
    static const uint8_t causes[8] = {
        TL_RESET_POWER, TL_RESET_PIN,   TL_RESET_OTHER,    TL_RESET_OTHER, /* VDDS, VDD loss */
        TL_RESET_OTHER, TL_RESET_OTHER, TL_RESET_SOFTWARE, TL_RESET_OTHER, /* VDDR, clock loss; SYSRESET; warm */
    };
    return (warm & 1u) != 0 ? TL_RESET_WATCHDOG : (tl_reset_cause_t)causes[(control >> 1) & 7u];
}

/* 48 MHz / 32, resets at the second end of a 2 s count. */
static void start_watchdog(void) {
    WDT_LOAD = TL_CLOCK_HZ / 32u * 2u;
    WDT_CTL = 3u; /* INTEN starts it; RESEN */
}

/* The boot ROM leaves the VIMS memory as RAM: make it the flash cache, as the customer configuration says. */
static void start_cache(void) {
    while ((VIMS_STAT & 8u) != 0) { /* mode changing */
    }
    VIMS_CTL = (VIMS_CTL & ~3u) | (1u << 29) | (1u << 2) | 1u; /* clock gating, prefetch, cache */
    while ((VIMS_STAT & 0xBu) != 1u) {
    }
}

static void start_uart(void) {
    PRCM_PDCTL0SERIAL = 1u;
    PRCM_PDCTL0PERIPH = 1u;
    while ((PRCM_PDSTAT0SERIAL & PRCM_PDSTAT0PERIPH & 1u) == 0) {
    }
    PRCM_UARTCLKGR = 1u;
    PRCM_GPIOCLKGR = 1u;
    PRCM_CLKLOADCTL = 1u;
    while ((PRCM_CLKLOADCTL & 2u) == 0) {
    }
    IOC_IOCFG(TL_UART_TX_PIN) = 0x00006000u | TL_UART_TX_FUNCTION; /* no pull */
    IOC_IOCFG(TL_UART_RX_PIN) = 0x20006000u | TL_UART_RX_FUNCTION; /* input, no pull */
    tl_port_uart_set_rate(TL_UART_BAUD);
}

void tl_port_init(void) {
    start_watchdog();
    reset_cause = read_reset_cause(PRCM_WARMRESET, AON_RESETCTL); /* reading the first clears its flags */
    start_cache();
    start_uart();
}

tl_reset_cause_t tl_port_reset_cause(void) {
    return reset_cause;
}

void tl_port_feed_watchdog(void) {
    WDT_ICR = 1u; /* any value: clears the first end and counts from the start */
}

bool tl_port_uart_read(uint8_t *byte) {
    if ((UART_FR & FR_RXFE) != 0) {
        return false;
    }
    *byte = (uint8_t)UART_DR; /* the errors of the byte stand above it; nothing stops reception */
    return true;
}

void tl_port_uart_write(uint8_t byte) {
    while ((UART_FR & FR_TXFF) != 0) {
    }
    UART_DR = byte;
}

void tl_port_uart_flush(void) {
    while ((UART_FR & FR_BUSY) != 0) {
    }
}

/* 64 times clock / (16 baud), to the nearest */
static uint32_t divider(uint32_t baud) {
    return (TL_CLOCK_HZ * 4u + baud / 2u) / baud;
}

uint32_t tl_port_uart_nearest(uint32_t baud) {
    if (baud < RATE_MIN || baud > TL_UART_MAX_BAUD) {
        return 0;
    }
    return TL_CLOCK_HZ * 4u / divider(baud); /* off by at most 0.25 % at 921600 */
}

void tl_port_uart_set_rate(uint32_t baud) {
    uint32_t parts = divider(baud);
    UART_CTL = 0;
    UART_IBRD = parts >> 6;
    UART_FBRD = parts & 63u;
    UART_LCRH = 0x70u; /* 8 bits, FIFOs; this write also takes the divider over */
    UART_CTL = 0x301u; /* enable, transmit, receive */
}

/* SYSRESET of the always-on domain: the core's own request would be a warm reset, which leaves the peripherals' power
 * as it is and no cause behind. */
_Noreturn void tl_port_restart(void) {
    __asm volatile("dsb" ::: "memory");
    AON_RESETCTL = 1u << 31;
    for (;;) {
    }
}
