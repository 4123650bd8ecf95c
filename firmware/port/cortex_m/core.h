/* Registers that every Cortex-M3 and M4 has. Addresses: ARMv7-M Architecture Reference Manual, B3.2 and C1.8. */
#ifndef TL_CORE_H
#define TL_CORE_H

#include <stdint.h>

#define TL_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define SYST_CSR TL_REGISTER(0xE000E010u)
#define SYST_RVR TL_REGISTER(0xE000E014u)
#define SYST_CVR TL_REGISTER(0xE000E018u)
#define SCB_AIRCR TL_REGISTER(0xE000ED0Cu)
#define SCB_CFSR TL_REGISTER(0xE000ED28u)
#define SCB_CPACR TL_REGISTER(0xE000ED88u)
#define DEMCR TL_REGISTER(0xE000EDFCu)
#define DWT_CTRL TL_REGISTER(0xE0001000u)
#define DWT_CYCCNT TL_REGISTER(0xE0001004u)

/* placed by the linker script; the stack lies at the start of RAM, so that running over its end faults */
extern uint32_t __stack_start[], __stack_end[];

/* faults.c */
void tl_fault_entry(void);

/* update/flash_guard.c */
void tl_nmi_entry(void);
void tl_bus_fault_entry(void);

#endif
