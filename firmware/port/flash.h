/* The flash of a part as the update writes it: pages are erased, units of eight bytes programmed once between erases.
 * port/<family>/flash.c; nothing of it is in an image without updates. */
#ifndef TL_FLASH_H
#define TL_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#define TL_FLASH_UNIT 8u

/* Erase the page that begins at `page`. False when the part reports an error. */
bool tl_flash_erase(uintptr_t page);

/* Program one unit at `address`, a multiple of its size. False when the part reports an error. */
bool tl_flash_program(uintptr_t address, const uint8_t unit[TL_FLASH_UNIT]);

/* Copy out of the flash. False when the part cannot read what is there: a unit that was cut off while it was written may
 * have an error that its code cannot correct, and then the part raises an exception (port/cortex_m/flash_guard.c). */
bool tl_flash_read(void *to, uintptr_t address, uint32_t length);

#endif
