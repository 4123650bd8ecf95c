#include "fusion/fusion.h"

#include "fusion/real.h"

#define LONGEST_GAP_US 2000000
#define LONGEST_SILENCE_US 10000000
#define BACKWARDS_MOST 5
#define K_MOST 5.0f
#define HEADING_MOST 12.6f
#define TURN 6.28318531f
#define DIVERGED_M 60.0f
#define FIX_CLIP_M 5.0f
#define RESIDUAL_CLIP_M 3.0f
#define MOST_VARIANCE 1e4f
#define DOUBT_CLIP 10.0f

static void count_one(uint16_t *counter) {
    if (*counter < UINT16_MAX) {
        (*counter)++;
    }
}

/// History ///

static void push(tl_fusion_t *f, const tl_fix_t *fix, bool fixed, float dt) {
    if (!f->started) {
        f->filled = false;
        return;
    }
    if (!(dt > 0.0f) && f->filled) {
        return;
    }
    float row[TL_CHANNELS] = {f->ekf.x[0], f->ekf.x[1], 0.0f, 0.0f, 0.0f, f->walking[0], f->walking[1]};
    if (fixed) {
        row[2] = tl_clip(fix->position.x - f->ekf.x[0], -FIX_CLIP_M, FIX_CLIP_M);
        row[3] = tl_clip(fix->position.y - f->ekf.x[1], -FIX_CLIP_M, FIX_CLIP_M);
        row[4] = tl_real_min(fix->residual, RESIDUAL_CLIP_M);
    }
    unsigned copies = f->filled ? 1 : TL_HISTORY; /* the first epoch stands for all before it */
    for (unsigned n = 0; n < copies; n++) {
        for (unsigned c = 0; c < TL_CHANNELS; c++) {
            f->rows[f->oldest][c] = row[c];
        }
        f->oldest = (uint8_t)(f->oldest + 1u == TL_HISTORY ? 0u : f->oldest + 1u);
    }
    f->filled = true;
}

/// Rules ///

/* Median of TL_HISTORY values, which it sorts. */
static float median(float *values) {
    for (unsigned i = 1; i < TL_HISTORY; i++) {
        float value = values[i];
        unsigned j = i;
        for (; j > 0 && values[j - 1] > value; j--) {
            values[j] = values[j - 1];
        }
        values[j] = value;
    }
    return 0.5f * (values[TL_HISTORY / 2 - 1] + values[TL_HISTORY / 2]);
}

/* The published rule: factor of the base variance for a fix that is `error` away from the forecast. */
static float adaptive_factor(tl_fusion_t *f, float error) {
    const tl_fusion_settings_t *s = f->settings;
    float factor = 1.0f;
    bool beyond = false;
    if (f->error_count >= TL_HISTORY) {
        float sorted[TL_HISTORY];
        for (unsigned i = 0; i < TL_HISTORY; i++) {
            sorted[i] = f->errors[i];
        }
        float middle = median(sorted);
        for (unsigned i = 0; i < TL_HISTORY; i++) {
            sorted[i] = tl_real_abs(f->errors[i] - middle);
        }
        float mad = tl_real_max(median(sorted), s->floor);
        beyond = error > middle + s->k2 * mad;
        if (error > middle + s->k1 * mad) {
            factor = s->moderate;
        }
    }
    f->streak = (uint8_t)(!beyond ? 0u : f->streak == UINT8_MAX ? UINT8_MAX : f->streak + 1u);
    if (beyond && f->streak >= s->persistence) {
        factor = s->far;
    }
    if (!(beyond && s->clean)) {
        f->errors[f->oldest_error] = error;
        f->oldest_error = (uint8_t)(f->oldest_error + 1u == TL_HISTORY ? 0u : f->oldest_error + 1u);
        if (f->error_count < TL_HISTORY) {
            f->error_count++;
        }
    }
    return factor;
}

static float gated_factor(const tl_fusion_t *f, const float at[2]) {
    float base = f->settings->r * f->settings->r;
    float a = f->ekf.p[0][0] + base, b = f->ekf.p[0][1], c = f->ekf.p[1][1] + base;
    float dx = at[0] - f->ekf.x[0], dy = at[1] - f->ekf.x[1];
    float squared = (c * dx * dx - 2.0f * b * dx * dy + a * dy * dy) / tl_real_max(a * c - b * b, 1e-9f);
    return squared > f->settings->gate * f->settings->gate ? f->settings->far : 1.0f;
}

static bool asks_student(const tl_fusion_t *f) {
    return f->settings->rule >= TL_RULE_ADAPTIVE && f->settings->rule != TL_RULE_ROBUST;
}

/* Let a fix that is there raise or lower the doubt, and say whether the student steers this epoch. */
static bool gate_open(tl_fusion_t *f, const tl_forecast_t *forecast, const tl_fix_t *fix) {
    const tl_fusion_settings_t *s = f->settings;
    if (s->rule != TL_RULE_GUARDED) {
        return true;
    }
    if (fix->status == TL_FIX_GOOD) {
        float dx = fix->position.x - forecast->position[0], dy = fix->position.y - forecast->position[1];
        float expected = forecast->variance + forecast->fix_variance;
        float surprise = tl_real_min(0.5f * (dx * dx + dy * dy) / expected, DOUBT_CLIP);
        f->doubt += s->doubt_memory * (surprise - f->doubt);
    }
    return forecast->fix_variance > s->engage * s->r * s->r && f->doubt < s->doubt_limit;
}

/* The variance of this epoch's fix, m^2. `forecast` counts only once there is a history. */
static float fix_variance(tl_fusion_t *f, const tl_forecast_t *forecast, bool open, const float at[2]) {
    const tl_fusion_settings_t *s = f->settings;
    float base = s->r * s->r;
    if (s->rule == TL_RULE_GATED) {
        return base * gated_factor(f, at);
    }
    if (s->rule == TL_RULE_FIXED || s->rule == TL_RULE_ROBUST || !f->filled || !open) {
        return base;
    }
    float dx = at[0] - forecast->position[0], dy = at[1] - forecast->position[1];
    float squared = dx * dx + dy * dy;
    if (s->rule == TL_RULE_ADAPTIVE) {
        return base * adaptive_factor(f, tl_sqrt(squared));
    }
    float beyond = tl_real_max(0.0f, 0.5f * squared - forecast->variance);
    return tl_real_min(base + s->trust * forecast->fix_variance + s->surprise * beyond, MOST_VARIANCE);
}

/// Epoch ///

/* Motion up to this epoch: prediction, then what dead reckoning says of the velocity. */
static void move(tl_fusion_t *f, float dt, bool stepped) {
    tl_ekf_predict(&f->ekf, dt, f->settings->acceleration);
    if (stepped) {
        f->walking[0] = f->reckoner.velocity[0];
        f->walking[1] = f->reckoner.velocity[1];
        tl_ekf_update(&f->ekf, 2, f->walking, f->settings->step_noise * f->settings->step_noise);
    } else if (tl_reckoner_still(&f->reckoner, f->time_us)) {
        f->walking[0] = f->walking[1] = 0.0f;
        tl_ekf_update(&f->ekf, 2, f->walking, f->settings->still_noise * f->settings->still_noise);
    }
}

static bool is_stale(const tl_fusion_t *f, tl_time_t time_us) {
    return tl_passed_us(time_us, f->fixed_us) > LONGEST_SILENCE_US;
}

/* Use the fix, and the student's forecast as the settings want: forecasts alone do not keep a position alive. Gives the
 * variance of the fix. */
static float correct(tl_fusion_t *f, const tl_fix_t *fix, const float *ranges) {
    bool fixed = fix->status == TL_FIX_GOOD, full = f->filled;
    bool open = asks_student(f) && full;
    tl_forecast_t forecast = {0};
    float variance = 0.0f;
    if (open) {
        tl_student_forecast(f->student, &f->arena, (const float(*)[TL_CHANNELS])f->rows, f->oldest, &forecast);
        open = gate_open(f, &forecast, fix);
    }
    if (fixed) {
        bool robust = f->settings->rule == TL_RULE_ROBUST || (f->settings->rule == TL_RULE_GUARDED && open);
        tl_point_t used = robust ? tl_robust(f->anchors, ranges, f->anchor_count, fix) : fix->position;
        float at[2] = {used.x, used.y};
        variance = fix_variance(f, &forecast, open, at);
        f->fixed_us = f->time_us;
        tl_ekf_update(&f->ekf, 0, at, variance);
    }
    if (open && f->settings->pull > 0.0f && !is_stale(f, f->time_us)) {
        tl_ekf_update(&f->ekf, 0, forecast.position, forecast.variance / f->settings->pull);
    }
    return variance;
}

static bool lost(const tl_fusion_t *f, const tl_fix_t *fix) {
    if (tl_ekf_lost(&f->ekf)) {
        return true;
    }
    return fix->status == TL_FIX_GOOD && (tl_real_abs(f->ekf.x[0] - fix->position.x) > DIVERGED_M ||
                                          tl_real_abs(f->ekf.x[1] - fix->position.y) > DIVERGED_M);
}

static void begin(tl_fusion_t *f, tl_time_t time_us, const tl_fix_t *fix) {
    f->started = fix->status == TL_FIX_GOOD;
    f->time_us = f->fixed_us = time_us;
    tl_ekf_start(&f->ekf, fix->position.x, fix->position.y, f->settings->r);
}

/* Whether time has broken off, so that the filter must start again. Counts what does not fit. */
static bool broken(tl_fusion_t *f, int32_t passed) {
    if (passed > 0) {
        f->backwards_in_a_row = 0;
        if (passed > LONGEST_GAP_US) {
            count_one(&f->counts.gaps);
        }
        return passed > LONGEST_SILENCE_US;
    }
    count_one(&f->counts.backwards);
    f->backwards_in_a_row++;
    return f->backwards_in_a_row >= BACKWARDS_MOST;
}

static void forget(tl_fusion_t *f) {
    f->started = f->filled = false;
    f->backwards_in_a_row = 0;
    f->walking[0] = f->walking[1] = 0.0f;
    f->doubt = 1.0f;
}

static void epoch(tl_fusion_t *f, tl_time_t time_us, const tl_fix_t *fix, const float *ranges, tl_fused_t *out) {
    bool stepped = f->reckoner.fresh;
    f->reckoner.fresh = false;
    int32_t passed = tl_passed_us(time_us, f->time_us);
    out->backwards = f->started && passed == 0;
    if (f->started && broken(f, passed)) {
        count_one(&f->counts.restarts);
        out->restarted = true;
        forget(f);
    }
    if (!f->started) {
        begin(f, time_us, fix);
        push(f, fix, false, 0.0f);
        return;
    }
    if (passed == 0) {
        return;
    }
    float dt = (float)passed * 1e-6f;
    f->time_us = time_us;
    move(f, dt, stepped);
    out->fix_variance = correct(f, fix, ranges);
    if (lost(f, fix)) {
        count_one(&f->counts.diverged);
        out->restarted = true;
        begin(f, time_us, fix);
    }
    push(f, fix, fix->status == TL_FIX_GOOD, dt);
}

/// Interface ///

tl_walk_status_t tl_fusion_init(tl_fusion_t *fusion, const tl_fusion_settings_t *settings, const tl_student_t *student,
                    const tl_point_t *anchors, uint8_t anchor_count, float k, float heading) {
    if (!(k > 0.0f && k <= K_MOST)) {
        return TL_WALK_K;
    }
    if (!(tl_real_abs(heading) <= HEADING_MOST)) { /* NaN included */
        return TL_WALK_HEADING;
    }
    if (anchor_count > TL_ANCHORS_MAX) {
        return TL_WALK_ANCHORS;
    }
    *fusion = (tl_fusion_t){.settings = settings, .student = student, .anchors = anchors, .anchor_count = anchor_count,
                              .doubt = 1.0f};
    float turns = heading * (1.0f / TURN);
    tl_reckoner_init(&fusion->reckoner, k, heading - TURN * (float)(int32_t)(turns + (turns < 0.0f ? -0.5f : 0.5f)));
    return TL_WALK_OK;
}

void tl_fusion_imu(tl_fusion_t *fusion, tl_time_t time_us, const float acceleration[3], const float rate[3]) {
    tl_reckoner_sample(&fusion->reckoner, time_us, acceleration, rate);
}

void tl_fusion_ranges(tl_fusion_t *fusion, tl_time_t time_us, const float *ranges, tl_fused_t *out) {
    tl_fix_t fix = tl_trilaterate(fusion->anchors, ranges, fusion->anchor_count);
    count_one(&fusion->counts.no_fix[fix.status]);
    if (fix.outside) {
        count_one(&fusion->counts.outside);
    }
    for (uint8_t i = 0; i < fix.bad_ranges; i++) {
        count_one(&fusion->counts.bad_ranges);
    }
    *out = (tl_fused_t){.fix = fix.status};
    epoch(fusion, time_us, &fix, ranges, out);
    if (fusion->started) {
        out->stale = is_stale(fusion, time_us);
        out->valid = !out->stale && time_us >= fusion->time_us;
        out->x = fusion->ekf.x[0];
        out->y = fusion->ekf.x[1];
        out->xx = fusion->ekf.p[0][0];
        out->yy = fusion->ekf.p[1][1];
    }
}
