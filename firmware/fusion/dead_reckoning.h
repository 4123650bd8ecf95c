/* Steps, their length and the heading from a chest-worn inertial sensor, sample by sample.
 * The reference in double precision is training/fusion/filters/dead_reckoning.py. */
#ifndef TL_DEAD_RECKONING_H
#define TL_DEAD_RECKONING_H

#include <stdbool.h>
#include <stdint.h>

#include "fusion/time.h"

typedef struct {
    uint16_t bad_samples; /* not finite, absurd, or without gravity */
    uint16_t backwards;   /* time did not advance */
    uint16_t gaps;        /* silences longer than 0.1 s */
    uint16_t restarts;    /* fresh starts of the detector: after 10 s of silence, or 50 samples backwards in a row */
} tl_imu_counts_t;

typedef struct {
    float k;       /* Weinberg's constant: m over the fourth root of m/s^2 */
    float heading; /* rad, counter-clockwise from +x */
    float velocity[2]; /* m/s, of the last step */
    bool fresh;        /* a step has ended since the caller last cleared this */
    bool walking;
    tl_imu_counts_t counts;
    /* the detector's own */
    bool started, rising;
    tl_time_t time_us, step_us;
    float gravity[3], smooth[2], bias, high, low, turn_sum;
    uint16_t still_samples, turn_count;
    uint8_t backwards_in_a_row;
} tl_reckoner_t;

void tl_reckoner_init(tl_reckoner_t *reckoner, float k, float heading);

/* One sample: acceleration in m/s^2 with gravity, rate in rad/s; x forward, y left, z up. */
void tl_reckoner_sample(tl_reckoner_t *reckoner, tl_time_t time_us, const float acceleration[3], const float rate[3]);

/* Whether the wearer is known to stand: no step, and a sample within a second of this time. */
bool tl_reckoner_still(const tl_reckoner_t *reckoner, tl_time_t time_us);

#endif
