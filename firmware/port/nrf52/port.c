/* nRF52: 64 MHz, from the crystal for exact rates; UART0 without DMA on the board's pins; watchdog; DC/DC converter.
 * Registers: Nordic's nrf52840.svd and nrf52.svd; errata by their numbers as nrfx's system_nrf52.c handles them. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define FICR_FAMILY TL_REGISTER(0x10000130u)   /* 6: nRF52832, 8: nRF52840 */
#define FICR_REVISION TL_REGISTER(0x10000134u)
#define FICR_RAM_TRIM TL_REGISTER(0x10000258u)
#define UICR_APPROTECT TL_REGISTER(0x10001208u)

#define CLOCK_HFCLKSTART TL_REGISTER(0x40000000u)
#define CLOCK_EVENTS_DONE TL_REGISTER(0x4000010Cu)
#define CLOCK_EVENTS_CTTO TL_REGISTER(0x40000110u)
#define CLOCK_HFCLKSTAT TL_REGISTER(0x4000040Cu)
#define CLOCK_CTIV TL_REGISTER(0x40000538u)
#define HFCLK_CRYSTAL 0x10001u /* STATE running, SRC crystal */

#define POWER_RESETREAS TL_REGISTER(0x40000400u)
#define POWER_DCDCEN TL_REGISTER(0x40000578u)
#define POWER_RAM_TRIM TL_REGISTER(0x40000EE4u)
#define APPROTECT_DISABLE TL_REGISTER(0x40000558u)

#define WDT_START TL_REGISTER(0x40010000u)
#define WDT_CRV TL_REGISTER(0x40010504u)
#define WDT_RREN TL_REGISTER(0x40010508u)
#define WDT_CONFIG TL_REGISTER(0x4001050Cu)
#define WDT_RR0 TL_REGISTER(0x40010600u)
#define WDT_RELOAD 0x6E524635u

#define NVMC_ICACHECNF TL_REGISTER(0x4001E540u)

#define GPIO(port) (0x50000000u + 0x300u * (port))
#define GPIO_OUTSET(port) TL_REGISTER(GPIO(port) + 0x508u)
#define GPIO_PIN_CNF(port, pin) TL_REGISTER(GPIO(port) + 0x700u + 4u * (pin))
#define PIN_OUTPUT 3u /* output, input buffer off */
#define PIN_INPUT 0u  /* input buffer on, no pull */

#define UART_STARTRX TL_REGISTER(TL_UART_BASE + 0x000u)
#define UART_STARTTX TL_REGISTER(TL_UART_BASE + 0x008u)
#define UART_RXDRDY TL_REGISTER(TL_UART_BASE + 0x108u)
#define UART_TXDRDY TL_REGISTER(TL_UART_BASE + 0x11Cu)
#define UART_ENABLE TL_REGISTER(TL_UART_BASE + 0x500u)
#define UART_PSELTXD TL_REGISTER(TL_UART_BASE + 0x50Cu)
#define UART_PSELRXD TL_REGISTER(TL_UART_BASE + 0x514u)
#define UART_RXD TL_REGISTER(TL_UART_BASE + 0x518u)
#define UART_TXD TL_REGISTER(TL_UART_BASE + 0x51Cu)
#define UART_BAUDRATE TL_REGISTER(TL_UART_BASE + 0x524u)
#define UART_CONFIG TL_REGISTER(TL_UART_BASE + 0x56Cu)
#define WITHOUT_DMA 4u
#define PIN_SELECT(port, pin) ((port) << 5 | (pin))

_Static_assert(TL_CLOCK_HZ == 64000000u, "the core of an nRF52 has one clock, 64 MHz");

static tl_reset_cause_t reset_cause;
static bool sending; /* a byte was given to the transmitter and TXDRDY has not been seen */

/* Anomaly 136: a reset by the pin sets other flags too. No flag is left by power-on and brown-out. */
static tl_reset_cause_t read_reset_cause(uint32_t reasons) {
    if ((reasons & 1u) != 0) {
        return TL_RESET_PIN;
    }
    if ((reasons & 2u) != 0) {
        return TL_RESET_WATCHDOG;
    }
    if ((reasons & 4u) != 0) {
        return TL_RESET_SOFTWARE;
    }
    return reasons == 0 ? TL_RESET_POWER : TL_RESET_OTHER; /* lock-up, wake-up from System OFF */
}

/* 32768 Hz, 4 s. It starts the low-frequency clock by itself. A software reset leaves it running and its settings locked,
 * so it is fed at once. */
static void start_watchdog(void) {
    WDT_CRV = 4u * 32768u - 1u;
    WDT_RREN = 1u;
    WDT_CONFIG = 1u; /* counts in sleep, stops when a debugger halts the core */
    WDT_START = 1u;
    WDT_RR0 = WDT_RELOAD;
}

static void mend_silicon(void) {
    CLOCK_EVENTS_DONE = 0; /* anomaly 36: not reset when expected */
    CLOCK_EVENTS_CTTO = 0;
    CLOCK_CTIV = 0;
    uint32_t family = FICR_FAMILY;
    uint32_t revision = FICR_REVISION;
    if (family == 6u) {
        POWER_RAM_TRIM = FICR_RAM_TRIM & 0x4Fu; /* anomaly 108: RAM after sleep cannot be trusted */
    }
    if ((family == 6u && revision >= 7u) || (family == 8u && revision >= 5u)) {
        APPROTECT_DISABLE = UICR_APPROTECT; /* 249: else the debugger stays locked out; 0x5A in UICR opens it */
    }
}

static void start_clock(void) {
    NVMC_ICACHECNF = 1u; /* off after reset */
#if TL_DCDC
    POWER_DCDCEN = 1u;
#endif
#if defined(TL_CLOCK_SOURCE_HFXO)
    CLOCK_HFCLKSTART = 1u;
    while ((CLOCK_HFCLKSTAT & HFCLK_CRYSTAL) != HFCLK_CRYSTAL) {
    }
#elif !defined(TL_CLOCK_SOURCE_HFINT)
#error "board.toml: clock.source must be HFXO or HFINT"
#endif
}

static void start_uart(void) {
    GPIO_OUTSET(TL_UART_TX_PORT) = 1u << TL_UART_TX_PIN; /* the line idles high */
    GPIO_PIN_CNF(TL_UART_TX_PORT, TL_UART_TX_PIN) = PIN_OUTPUT;
    GPIO_PIN_CNF(TL_UART_RX_PORT, TL_UART_RX_PIN) = PIN_INPUT;
    UART_PSELTXD = PIN_SELECT(TL_UART_TX_PORT, TL_UART_TX_PIN);
    UART_PSELRXD = PIN_SELECT(TL_UART_RX_PORT, TL_UART_RX_PIN);
    tl_port_uart_set_rate(TL_UART_BAUD);
}

void tl_port_init(void) {
    start_watchdog();
    reset_cause = read_reset_cause(POWER_RESETREAS);
    POWER_RESETREAS = 0xFFFFFFFFu; /* write one to clear: the next start shall see its own cause only */
    mend_silicon();
    start_clock();
    start_uart();
}

tl_reset_cause_t tl_port_reset_cause(void) {
    return reset_cause;
}

void tl_port_feed_watchdog(void) {
    WDT_RR0 = WDT_RELOAD;
}

bool tl_port_uart_read(uint8_t *byte) {
    if (UART_RXDRDY == 0) {
        return false;
    }
    UART_RXDRDY = 0; /* before the byte is taken: it is set again when another one waits. Errors stop nothing */
    *byte = (uint8_t)UART_RXD;
    return true;
}

void tl_port_uart_flush(void) {
    while (sending && UART_TXDRDY == 0) {
    }
    UART_TXDRDY = 0;
    sending = false;
}

void tl_port_uart_write(uint8_t byte) {
    tl_port_uart_flush();
    UART_TXD = byte;
    sending = true;
}

/* The values that Nordic documents, with the rates that they give: 16 MHz / floor(2^32 / value). 460800 and 921600 would
 * be off by 2.1 %. */
static const struct {
    uint32_t baud, value;
} rates[] = {
    {9598u, 0x00275000u},   {19208u, 0x004EA000u},  {38462u, 0x009D5000u},  {57762u, 0x00EBF000u},   {76923u, 0x013A9000u},
    {115942u, 0x01D7E000u}, {231884u, 0x03AFB000u}, {250000u, 0x04000000u}, {1000000u, 0x10000000u},
};
#define RATES (sizeof(rates) / sizeof(rates[0]))

static uint32_t distance(uint32_t a, uint32_t b) {
    return a > b ? a - b : b - a;
}

static uint32_t nearest(uint32_t baud) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < RATES; i++) {
        if (distance(rates[i].baud, baud) < distance(rates[best].baud, baud)) {
            best = i;
        }
    }
    return best;
}

uint32_t tl_port_uart_nearest(uint32_t baud) {
    uint32_t rate = rates[nearest(baud)].baud;
    return baud > TL_UART_MAX_BAUD || distance(rate, baud) > baud / 50u ? 0 : rate;
}

void tl_port_uart_set_rate(uint32_t baud) {
    UART_ENABLE = 0;
    UART_BAUDRATE = rates[nearest(baud)].value;
    UART_CONFIG = 0; /* 8 bits, no parity, one stop bit, no flow control */
    UART_ENABLE = WITHOUT_DMA;
    UART_STARTTX = 1u;
    UART_STARTRX = 1u;
    UART_TXDRDY = 0;
    UART_RXDRDY = 0;
    sending = false;
}
