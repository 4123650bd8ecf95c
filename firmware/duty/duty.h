/* The wearable's own loop: asleep, one scan, one step of the localiser, asleep. The scan's source and what becomes of the
 * answer are the product's; `tinyloc duty` brings a replay of test scans to measure what the loop costs. */
#ifndef TL_DUTY_H
#define TL_DUTY_H

#include "localise/localiser.h"

/* Once, before the first sleep. */
void tl_scan_init(void);

/* The scan of this period: sets `readings` to its heard access points, ascending, and gives their number. */
uint16_t tl_scan(const tl_reading_t **readings);

/* The answer; with a status other than TL_OK the scan was refused and `estimate` is the last good one. */
void tl_publish(tl_status_t status, const tl_estimate_t *estimate);

#endif
