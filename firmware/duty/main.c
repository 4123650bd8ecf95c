#include "duty/duty.h"
#include "link/messages.h"
#include "port/port.h"
#include "port/sleep.h"

/* The two objects that a model costs in RAM; named so that reports can find them. */
extern tl_localiser_t tl_localiser;
extern tl_model_arena_t tl_arena;
tl_localiser_t tl_localiser;
tl_model_arena_t tl_arena;

/* Nobody listens to a wearable: the restart after a fault is all there is. */
void tl_send_fault(uint32_t cfsr, uint32_t pc, uint32_t lr) {
    (void)cfsr;
    (void)pc;
    (void)lr;
}

int main(void) {
    static tl_estimate_t estimate;
    tl_localiser_init(&tl_localiser);
    tl_scan_init();
    tl_port_sleep_init(TL_PERIOD_MS);
    for (;;) {
        const tl_reading_t *readings;
        tl_port_sleep();
        tl_port_feed_watchdog();
        uint16_t count = tl_scan(&readings);
        tl_status_t status = tl_localiser_sample(&tl_localiser, &tl_arena, readings, count, &estimate);
        tl_publish(status, &estimate);
    }
}
