#include "fusion/dead_reckoning.h"

#include "fusion/real.h"

#define PI 3.14159265f
#define GRAVITY_TAU_S 1.0f
#define SMOOTH_TAU_S 0.04f
#define LEVEL 0.4f
#define SHORTEST_US 250000
#define LONGEST_US 1500000
#define FIRST_S 0.55f
#define STILL_US 1200000
#define BIAS_TAU_S 2.0f
#define BIAS_START 0.6f
#define BIAS_START_SAMPLES 50
#define BIAS_STEP 0.02f
#define QUIET 0.15f
#define LONGEST_GAP_S 0.1f
#define LONGEST_SILENCE_US 10000000
#define SILENT_US 1000000
#define BACKWARDS_MOST 50
#define ABSURD_ACCELERATION 160.0f
#define ABSURD_RATE 36.0f

void tl_reckoner_init(tl_reckoner_t *reckoner, float k, float heading) {
    *reckoner = (tl_reckoner_t){.k = k, .heading = heading};
}

static bool sound(const float *values, float limit) {
    for (uint8_t i = 0; i < 3; i++) {
        if (!tl_finite(values[i]) || tl_real_abs(values[i]) > limit) {
            return false;
        }
    }
    return true;
}

static void count_one(uint16_t *counter) {
    if (*counter < UINT16_MAX) {
        (*counter)++;
    }
}

static void turn(tl_reckoner_t *r, float yaw, float dt) {
    float near = r->still_samples < BIAS_START_SAMPLES ? BIAS_START : BIAS_STEP;
    if (!r->walking && tl_real_abs(yaw - r->bias) < near && tl_real_abs(r->smooth[1]) < QUIET) {
        count_one(&r->still_samples);
        r->bias += tl_real_max(1.0f / (float)r->still_samples, dt / BIAS_TAU_S) * (yaw - r->bias);
    }
    float change = (yaw - r->bias) * dt;
    r->heading += change;
    if (r->heading > PI) {
        r->heading -= 2.0f * PI;
    } else if (r->heading < -PI) {
        r->heading += 2.0f * PI;
    }
    r->turn_sum += change * (float)r->turn_count;
    count_one(&r->turn_count);
}

static void forget_turn(tl_reckoner_t *r) {
    r->turn_sum = 0.0f;
    r->turn_count = 0;
}

static void finish(tl_reckoner_t *r, tl_time_t now, float swing, int32_t duration_us) {
    float length = r->k * tl_sqrt(tl_sqrt(swing));
    /* the mean heading over the step, from the turn since each of its samples */
    float mean = r->heading - r->turn_sum / (float)(r->turn_count ? r->turn_count : 1);
    float duration = duration_us > LONGEST_US ? FIRST_S : (float)duration_us * 1e-6f;
    float speed = length / duration, sine, cosine;
    tl_sincos(tl_clip(mean, -4.0f, 4.0f), &sine, &cosine);
    r->velocity[0] = speed * cosine;
    r->velocity[1] = speed * sine;
    r->fresh = r->walking = true;
    r->step_us = now;
    forget_turn(r);
    r->low = 0.0f;
}

static void step(tl_reckoner_t *r, tl_time_t now, float vertical) {
    int32_t duration = tl_passed_us(now, r->step_us);
    if (duration > LONGEST_US && r->walking) {
        r->walking = false;
    }
    if (vertical > LEVEL && !r->rising) { /* a swing from below to above: the step before it is over */
        r->rising = true;
        float high = r->high, low = r->low;
        r->high = vertical;
        if (low < -LEVEL && high > LEVEL && duration >= SHORTEST_US) {
            finish(r, now, high - low, duration);
            return;
        }
        if (high <= LEVEL) { /* the first swing after standing */
            r->step_us = now;
            forget_turn(r);
        }
    } else if (vertical < -LEVEL && r->rising) {
        r->rising = false;
        r->low = vertical;
    }
    if (r->rising) {
        r->high = tl_real_max(r->high, vertical);
    } else {
        r->low = tl_real_min(r->low, vertical);
    }
    if (tl_passed_us(now, r->step_us) > STILL_US && !r->walking) {
        r->high = r->low = 0.0f;
        r->rising = false;
    }
}

/* From a first sample on: what the detector saw before is forgotten; heading, bias and counts stay. */
static void start(tl_reckoner_t *r, tl_time_t now, const float acceleration[3]) {
    r->started = true;
    r->time_us = r->step_us = now;
    for (uint8_t i = 0; i < 3; i++) {
        r->gravity[i] = acceleration[i];
    }
    r->smooth[0] = r->smooth[1] = r->high = r->low = 0.0f;
    r->rising = r->walking = r->fresh = false;
    r->backwards_in_a_row = 0;
    forget_turn(r);
}

/* Whether time has broken off, so that the detector must start again. Counts what does not fit. */
static bool broken(tl_reckoner_t *r, int32_t passed) {
    if (passed > 0) {
        r->backwards_in_a_row = 0;
        if (passed <= LONGEST_SILENCE_US) {
            return false;
        }
        count_one(&r->counts.gaps);
        return true;
    }
    count_one(&r->counts.backwards);
    r->backwards_in_a_row++;
    return r->backwards_in_a_row >= BACKWARDS_MOST;
}

void tl_reckoner_sample(tl_reckoner_t *r, tl_time_t time_us, const float acceleration[3], const float rate[3]) {
    if (!sound(acceleration, ABSURD_ACCELERATION) || !sound(rate, ABSURD_RATE)) {
        count_one(&r->counts.bad_samples);
        return;
    }
    if (!r->started) {
        start(r, time_us, acceleration);
        return;
    }
    int32_t passed = tl_passed_us(time_us, r->time_us);
    if (broken(r, passed)) {
        count_one(&r->counts.restarts);
        start(r, time_us, acceleration);
        return;
    }
    if (passed == 0) {
        return;
    }
    r->time_us = time_us;
    float dt = (float)passed * 1e-6f;
    if (dt > LONGEST_GAP_S + 1e-6f) {
        count_one(&r->counts.gaps);
        dt = LONGEST_GAP_S;
    }
    float size = 0.0f, vertical = 0.0f, yaw = 0.0f;
    for (uint8_t i = 0; i < 3; i++) {
        float g = r->gravity[i] += dt / GRAVITY_TAU_S * (acceleration[i] - r->gravity[i]);
        size += g * g;
        vertical += acceleration[i] * g;
        yaw += rate[i] * g;
    }
    size = tl_sqrt(size);
    if (size < 1.0f) { /* free fall for a second: nothing to hold on to */
        count_one(&r->counts.bad_samples);
        return;
    }
    turn(r, yaw / size, dt);
    float gain = dt / (SMOOTH_TAU_S + dt);
    r->smooth[0] += gain * (vertical / size - size - r->smooth[0]);
    r->smooth[1] += gain * (r->smooth[0] - r->smooth[1]);
    step(r, time_us, r->smooth[1]);
}

bool tl_reckoner_still(const tl_reckoner_t *r, tl_time_t time_us) {
    bool heard = tl_passed_us(time_us, r->time_us) <= SILENT_US && tl_passed_us(r->time_us, time_us) <= SILENT_US;
    return r->started && heard && !r->walking;
}
