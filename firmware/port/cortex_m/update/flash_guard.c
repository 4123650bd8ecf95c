/* Reads of the flash that survive a unit whose error cannot be corrected. Whether a part answers such a read by NMI or
 * by a bus fault, and whether at once, is not stated for all of them: both are taken for "cannot be read" while a
 * guarded read goes on, and for what they are at any other time. */
#include "port/cortex_m/core.h"
#include "port/flash.h"
#include "port/port.h"

#define SCB_HFSR TL_REGISTER(0xE000ED2Cu)
#define FRAME_PC 6u

static volatile bool failed;
volatile uint32_t tl_flash_guarded; /* not static: the handlers' assembly reads it */

void tl_flash_guard_nmi(void);
void tl_flash_guard_fault(uint32_t *frame);

/* Of the part, in port/<family>: take its flag of the error back. */
__attribute__((weak)) void tl_flash_clear_error(void) {
}

__attribute__((naked)) void tl_nmi_entry(void) {
    __asm volatile(
        "ldr r1, =tl_flash_guarded \n"
        "ldr r1, [r1]              \n"
        "cmp r1, #0                \n"
        "beq tl_fault_entry        \n"
        "b   tl_flash_guard_nmi    \n");
}

__attribute__((naked)) void tl_bus_fault_entry(void) {
    __asm volatile(
        "ldr r1, =tl_flash_guarded \n"
        "ldr r1, [r1]              \n"
        "cmp r1, #0                \n"
        "beq tl_fault_entry        \n"
        "mov r0, sp                \n"
        "b   tl_flash_guard_fault  \n");
}

__attribute__((used)) void tl_flash_guard_nmi(void) {
    failed = true;
    tl_flash_clear_error();
}

/* The load is passed over: of four bytes when its first half begins with 0b11101 or more, else of two. */
__attribute__((used)) void tl_flash_guard_fault(uint32_t *frame) {
    failed = true;
    tl_flash_clear_error();
    SCB_CFSR = SCB_CFSR; /* ones clear */
    SCB_HFSR = SCB_HFSR;
    uint16_t first = *(const uint16_t *)(uintptr_t)frame[FRAME_PC];
    frame[FRAME_PC] += first >> 11 >= 0x1Du ? 4u : 2u;
}

bool tl_flash_read(void *to, uintptr_t address, uint32_t length) {
    const volatile uint8_t *from = (const volatile uint8_t *)address;
    uint8_t *bytes = to;
    uint32_t i = 0;
    failed = false;
    tl_flash_guarded = 1;
    if (((address | (uintptr_t)to) & 3u) == 0) {
        for (; i + 4u <= length; i += 4u) {
            *(uint32_t *)(uintptr_t)(bytes + i) = *(const volatile uint32_t *)(address + i);
        }
    }
    for (; i < length; i++) {
        bytes[i] = from[i];
    }
    __asm volatile("dsb\n\tisb" ::: "memory"); /* an NMI may come late */
    tl_flash_guarded = 0;
    return !failed;
}
