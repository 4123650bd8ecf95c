/* The application with fusion, fuzzed: its answers are those of a filter of our own that is called directly with what was
 * sent. Beside that no answer may be old: what is valid rests on a fix of the ten seconds before it, by the times that
 * were sent. */
#include "fusion_app/app.c" /* its variables are set back to what they are at power-on */

#include <string.h>

#include "fusion/real.h"
#include "fuzz.h"

#define SILENCE_US 10000000u
#define EPOCHS_KEPT 64u
#define FIX_FLAGS 15u

static tl_fusion_t twin;
static uint64_t now_us;      /* of the walk that is made up */
static float place[2], pace[2];
static uint64_t fixed_us[EPOCHS_KEPT]; /* ring: times of epochs with a good fix in this walk */
static uint32_t fixes, late_in_a_row;
static message_t before; /* the last RANGES that was answered */

void app_power_on(void) {
    memset(&order, 0, sizeof order);
    memset(&session, 0, sizeof session);
    memset(&tl_fusion, 0xA5, sizeof tl_fusion);
    memset(&twin, 0, sizeof twin);
    tl_fusion_app_init();
    fixes = late_in_a_row = 0;
    memset(&before, 0, sizeof before);
}

void app_poll(void) {
    tl_fusion_app_poll();
}

uint16_t app_payload_max(void) {
    return PAYLOAD_MAX;
}

/// Requests ///

static void add_real(message_t *message, float value) {
    union {
        float real;
        uint32_t bits;
    } both = {.real = value};
    add_u32(message, both.bits);
}

/* Between -1 and 1 in 256 steps. */
static float share(void) {
    return ((float)fuzz_byte() - 127.5f) / 127.5f;
}

/* Now and then what no sensor measures. */
static float spoilt(float value) {
    static const uint32_t bits[] = {0x7FC00000u, 0x7F800000u, 0xFF800000u, 0x7F7FFFFFu, 0xFF7FFFFFu, 1u, 0x80000000u, 0x501502F9u};
    union {
        uint32_t bits;
        float real;
    } both;
    uint8_t chance = fuzz_byte();
    if (chance > 7) {
        return value;
    }
    both.bits = chance == 7 ? fuzz_u32() : bits[fuzz_below(8)];
    return both.real;
}

static uint64_t later(uint32_t usual_us) {
    switch (fuzz_byte()) {
    case 0:
        now_us += 1800000000u + fuzz_u32();
        break;
    case 1:
        now_us = now_us > 30000000u ? now_us - fuzz_u32() % 30000000u : now_us;
        break;
    case 2:
        break;
    case 3:
        return now_us + (uint64_t)fuzz_u32() * 4096u; /* this one alone is far ahead */
    case 4:
        return fuzz_u32();
    case 5:
        now_us += 2000000u + fuzz_u16() * 128u;
        break;
    case 6:
        return ((uint64_t)fuzz_u32() << 32) | fuzz_u32();
    default:
        now_us += usual_us;
    }
    return now_us;
}

static void make_walk(message_t *message) {
    bool sound = fuzz_byte() > 60;
    message->type = TL_MESSAGE_WALK;
    message->seq = (uint16_t)(message->seq + fuzz_below(9) * 5000u);
    now_us = (uint64_t)fuzz_u32() << (fuzz_byte() & 24);
    place[0] = 6.0f + 5.0f * share();
    place[1] = 4.0f + 3.0f * share();
    add_real(message, sound ? 0.5f + 0.3f * share() : spoilt(6.0f * share()));
    add_real(message, sound ? 3.1f * share() : spoilt(14.0f * share()));
}

static void make_imu(message_t *message) {
    uint32_t count = 1u + fuzz_below(IMU_MAX);
    message->type = TL_MESSAGE_IMU;
    add_u8(message, (uint8_t)(fuzz_byte() ? count : fuzz_byte()));
    uint64_t first = later(20000u);
    add_u64(message, first);
    for (uint32_t i = 0; i < count; i++) {
        add_u32(message, fuzz_byte() ? 20000u * i : fuzz_u32());
        now_us += 20000u;
        add_real(message, spoilt(2.0f * share()));
        add_real(message, spoilt(2.0f * share()));
        add_real(message, spoilt(9.81f + 6.0f * share()));
        for (uint32_t axis = 0; axis < 3; axis++) {
            add_real(message, spoilt(0.5f * share()));
        }
    }
}

static void make_ranges(message_t *message) {
    bool silent = fuzz_below(12) == 0, jump = fuzz_byte() == 0;
    message->type = TL_MESSAGE_RANGES;
    add_u64(message, later(200000u));
    for (uint32_t axis = 0; axis < 2; axis++) {
        pace[axis] = 0.8f * pace[axis] + 0.05f * share();
        place[axis] += jump ? 80.0f * share() : pace[axis];
    }
    for (uint32_t i = 0; i < tl_fusion_anchor_count; i++) {
        float dx = place[0] - tl_fusion_anchors[i].x, dy = place[1] - tl_fusion_anchors[i].y;
        float range_m = tl_sqrt(dx * dx + dy * dy) + 0.2f * share();
        add_real(message, silent ? 0.0f / 0.0f : spoilt(range_m));
    }
}

void app_make(message_t *message) {
    uint8_t kind = fuzz_byte();
    if (kind < 6 || order_last()->version == 0) {
        make_walk(message);
    } else if (kind < 120) {
        make_imu(message);
    } else {
        make_ranges(message);
    }
}

/// Answers ///

static float real_at(const uint8_t *bytes) {
    union {
        uint32_t bits;
        float real;
    } both = {.bits = tl_get_u32(bytes)};
    return both.real;
}

static expected_t expect_walk(const message_t *request) {
    if (request->length != 8) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    expected_t expected;
    order_t where = order_of(request, true, &expected);
    float k = real_at(request->body), heading = real_at(request->body + 4);
    if (where == ORDER_REFUSED) {
        return expected;
    }
    if (where == ORDER_NEXT && !(k > 0.0f && k <= 5.0f)) {
        return expect_error(request->seq, TL_LINK_VALUE, 1);
    }
    if (where == ORDER_NEXT && !(heading >= -12.6f && heading <= 12.6f)) {
        return expect_error(request->seq, TL_LINK_VALUE, 2);
    }
    expected = expect_reply(TL_MESSAGE_WALK | TL_MESSAGE_REPLY, request->seq);
    if (where == ORDER_NEXT) {
        tl_fusion_init(&twin, &tl_fusion_settings, &tl_fusion_student, tl_fusion_anchors, tl_fusion_anchor_count, k, heading);
        fixes = late_in_a_row = 0;
        order_took(request, &expected, true);
    }
    return expected;
}

static expected_t felt(const message_t *request) {
    for (uint32_t i = 0; i < request->body[0]; i++) {
        const uint8_t *wire = request->body + 9 + 28 * i;
        float values[6];
        for (uint32_t n = 0; n < 6; n++) {
            values[n] = real_at(wire + 4 + 4 * n);
        }
        tl_fusion_imu(&twin, tl_get_u64(request->body + 1) + tl_get_u32(wire), values, values + 3);
    }
    expected_t expected = expect_reply(TL_MESSAGE_IMU | TL_MESSAGE_REPLY, request->seq);
    add_u32(&expected.reply, 0);
    expected.free_to = 4;
    return expected;
}

static expected_t located(const message_t *request) {
    float ranges[TL_ANCHORS_MAX];
    tl_fused_t told;
    for (uint32_t i = 0; i < tl_fusion_anchor_count; i++) {
        ranges[i] = real_at(request->body + 8 + 4 * i);
    }
    tl_fusion_ranges(&twin, tl_get_u64(request->body), ranges, &told);
    expected_t expected = expect_reply(TL_MESSAGE_RANGES | TL_MESSAGE_REPLY, request->seq);
    message_t *reply = &expected.reply;
    add_u8(reply, (uint8_t)(told.valid + 2 * told.stale + 4 * told.backwards + 8 * told.restarted));
    add_u8(reply, (uint8_t)told.fix);
    const float reals[] = {told.x, told.y, told.xx, told.yy, told.fix_variance};
    for (uint32_t i = 0; i < 5; i++) {
        add_real(reply, reals[i]);
    }
    expected.free_from = reply->length;
    add_u32(reply, 0);
    expected.free_to = reply->length;
    add_u16(reply, tl_port_stack_high_water());
    const tl_fusion_counts_t *c = &twin.counts;
    const tl_imu_counts_t *i = &twin.reckoner.counts;
    const uint16_t counts[] = {
        c->backwards, c->gaps, c->restarts, c->diverged, c->bad_ranges, c->outside, c->no_fix[0],
        c->no_fix[1], c->no_fix[2], c->no_fix[3], i->bad_samples, i->backwards, i->gaps, i->restarts,
    };
    for (uint32_t n = 0; n < 14; n++) {
        add_u16(reply, counts[n]);
    }
    return expected;
}

expected_t app_expect(const message_t *request) {
    bool imu = request->type == TL_MESSAGE_IMU;
    if (request->type == TL_MESSAGE_WALK) {
        return expect_walk(request);
    }
    if (request->type == TL_MESSAGE_HELLO) {
        if (request->length != 0) {
            return expect_error(request->seq, TL_LINK_LENGTH, request->length);
        }
        expected_t hello = expect_reply(TL_MESSAGE_HELLO | TL_MESSAGE_REPLY, request->seq);
        hello.reply.length = hello.free_to = TL_HELLO_BODY;
        return hello;
    }
    if (!imu && request->type != TL_MESSAGE_RANGES) {
        return expect_error(request->seq, TL_LINK_TYPE, request->type);
    }
    uint32_t count = request->length > 0 ? request->body[0] : 0;
    bool fits = imu ? count >= 1 && count <= 8 && request->length == 9 + 28 * count
                    : request->length == 8u + 4u * tl_fusion_anchor_count;
    if (!fits) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    expected_t expected;
    order_t where = order_of(request, false, &expected);
    if (where == ORDER_AGAIN) {
        return *order_kept();
    }
    if (where == ORDER_NEXT) {
        expected = imu ? felt(request) : located(request);
        order_took(request, &expected, false);
    }
    return expected;
}

/* Whether there was a good fix in the ten seconds before. */
static bool recent(uint64_t time_us) {
    for (uint32_t n = 0; n < EPOCHS_KEPT && n < fixes; n++) {
        uint64_t then = fixed_us[(fixes - 1 - n) % EPOCHS_KEPT];
        if (then <= time_us && time_us - then <= SILENCE_US) {
            return true;
        }
    }
    return false;
}

void app_judge(const message_t *request, const message_t *reply) {
    if (request->type != TL_MESSAGE_RANGES) {
        return;
    }
    uint8_t flags = reply->body[0], status = reply->body[1];
    uint64_t time_us = tl_get_u64(request->body);
    bool valid = flags & 1u, stale = flags & 2u, backwards = flags & 4u, restarted = flags & 8u;
    for (uint32_t i = 0; i < 5; i++) {
        float value = real_at(reply->body + 2 + 4 * i);
        if (!tl_finite(value) || (i >= 2 && value < 0.0f)) {
            fuzz_fail("a number in a FIX that is none", request);
        }
    }
    if (flags > FIX_FLAGS || status > 3 || (valid && stale)) {
        fuzz_fail("a FIX that makes no sense", request);
    }
    bool again = memcmp(&before, request, sizeof before) == 0; /* a repetition */
    before = *request;
    if (again) {
        return;
    }
    if (status == 0) {
        fixed_us[fixes++ % EPOCHS_KEPT] = time_us;
    }
    if (valid && !recent(time_us)) {
        fuzz_fail("a stale position is valid", request);
    }
    if (!backwards && status == 0 && !valid) {
        fuzz_fail("a good fix gives no position", request);
    }
    late_in_a_row = backwards && !restarted ? late_in_a_row + 1 : 0;
    if (late_in_a_row > 4) {
        fuzz_fail("the position is frozen", request);
    }
}
