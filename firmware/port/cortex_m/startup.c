/* From reset to main: paint the stack, make .data and .bss, start the board. */
#include "board.h"
#include "port/cortex_m/core.h"
#include "port/port.h"

#define STACK_PAINT 0xA5A5A5A5u

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];
#if TL_RAM_BANKS > 1
extern uint32_t __bss2_start[], __bss2_end[];
#endif

int main(void);
void tl_reset_entry(void);
_Noreturn void tl_start(void);

#ifdef TL_UPDATE /* torn units of the flash are read, see port/cortex_m/update */
#define TL_NMI_ENTRY tl_nmi_entry
#define TL_BUS_FAULT_ENTRY tl_bus_fault_entry
#else
#define TL_NMI_ENTRY tl_fault_entry
#define TL_BUS_FAULT_ENTRY tl_fault_entry
#endif

/* The 16 words of the architecture. No interrupt is ever enabled, so no further vector can be taken. */
typedef union {
    void (*handler)(void);
    uint32_t *stack;
} tl_vector_t;

__attribute__((used, section(".vectors"))) const tl_vector_t tl_vectors[16] = {
    {.stack = __stack_end},
    {.handler = tl_reset_entry},
    {.handler = TL_NMI_ENTRY},       /* NMI */
    {.handler = TL_BUS_FAULT_ENTRY}, /* HardFault: the others escalate to it, since they are not enabled */
    {.handler = tl_fault_entry}, /* MemManage */
    {.handler = TL_BUS_FAULT_ENTRY}, /* BusFault */
    {.handler = tl_fault_entry}, /* UsageFault */
    {0},
    {0},
    {0},
    {0},
    {.handler = tl_fault_entry}, /* SVCall */
    {.handler = tl_fault_entry}, /* DebugMonitor */
    {0},
    {.handler = tl_fault_entry}, /* PendSV */
    {.handler = tl_fault_entry}, /* SysTick */
};

__attribute__((weak, naked)) void tl_port_memory_on(void) {
    __asm volatile("bx lr");
}

/* Naked, so that nothing is pushed before the RAM is there. */
__attribute__((naked)) void tl_reset_entry(void) {
    __asm volatile(
        "bl tl_port_memory_on \n"
        "b  tl_start          \n");
}

static void clear(uint32_t *from, const uint32_t *to) {
    for (; from < to; from++) {
        *from = 0;
    }
}

__attribute__((used)) _Noreturn void tl_start(void) {
    /* volatile: what lies below the stack pointer is no object of C, and the compiler may drop plain stores to it */
    uint32_t *top;
    __asm volatile("mov %0, sp" : "=r"(top));
    for (volatile uint32_t *word = __stack_start; word < top; word++) {
        *word = STACK_PAINT;
    }
#if defined(__ARM_FP)
    /* integers only, but a compiler that may use the FPU may also move integers through its registers */
    SCB_CPACR |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    const uint32_t *from = __data_load;
    for (uint32_t *to = __data_start; to < __data_end; to++) {
        *to = *from++;
    }
    clear(__bss_start, __bss_end);
#if TL_RAM_BANKS > 1
    clear(__bss2_start, __bss2_end);
#endif
    tl_port_init();
    tl_port_cycles_init();
    (void)main();
    tl_port_restart();
}

uint16_t tl_port_stack_high_water(void) {
    const volatile uint32_t *word = __stack_start;
    while (word < __stack_end && *word == STACK_PAINT) {
        word++;
    }
    return (uint16_t)((uintptr_t)__stack_end - (uintptr_t)word);
}

uint32_t tl_port_stack_size(void) {
    return (uint32_t)((uintptr_t)__stack_end - (uintptr_t)__stack_start);
}

__attribute__((weak)) _Noreturn void tl_port_restart(void) {
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = 0x05FA0004u; /* key, SYSRESETREQ */
    for (;;) {
    }
}
