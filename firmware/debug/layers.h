/* Checksums of what each layer of the last step left, for `tinyloc emulate --debug-layers`. Linked into images that are
 * built for it, and into no other. */
#ifndef TL_DEBUG_LAYERS_H
#define TL_DEBUG_LAYERS_H

#include <stdint.h>

#include "model.h"

/* A step begins: its checks go into checks[count], which the caller keeps until the next step. */
void tl_checks_begin(uint32_t *checks, uint16_t count);

/* The next check is of these bytes. */
void tl_check(const void *bytes, uint32_t size);

/* Further bytes of the check before. */
void tl_check_more(const void *bytes, uint32_t size);

#if TL_SPARSE
/* The next check is of the heard access points: index and value of each, without what pads the struct. */
void tl_check_entries(const tl_entry_t *entries, uint16_t count);
#endif

/* Checks of the last step; 0 before the first. */
uint16_t tl_check_count(void);

/* Check number `position` of the last step. */
uint32_t tl_check_at(uint16_t position);

#endif
