#include "fusion_app/app.h"

#include <stdbool.h>

#include "fusion/data.h"
#include "link/messages.h"
#include "link/order.h"
#include "link/session.h"
#include "port/port.h"

#define IMU_MAX 8u   /* inertial samples of a frame */
#define IMU_WIRE 28u /* bytes of one: time since the first, acceleration, rate */
#define IMU_HEAD 9u  /* before them: their count, time of the first */
#define TIME_WIRE 8u
#define BODY_MAX (IMU_HEAD + IMU_MAX * IMU_WIRE)
#define PAYLOAD_MAX (TL_FRAME_HEAD + BODY_MAX + TL_FRAME_TAG + TL_FRAME_CRC)
#define FIX_BODY (28u + 2u * 14u)
#define REPLY_MAX (TL_FRAME_HEAD + (FIX_BODY > TL_HELLO_BODY ? FIX_BODY : TL_HELLO_BODY) + TL_FRAME_TAG + TL_FRAME_CRC)
#define FUSION_FLAG 0x40u
_Static_assert(BODY_MAX >= TIME_WIRE + 4u * TL_ANCHORS_MAX, "ranges of all anchors fit a frame");

tl_fusion_t tl_fusion;

static uint8_t received[PAYLOAD_MAX];
static uint8_t reply[REPLY_MAX];
static tl_session_t session;

static tl_order_t order;
static tl_fused_t fused; /* kept with what follows, for a host that lost the answer and asks again */
static uint32_t last_cycles;
static uint16_t last_stack;

static float get_real(const uint8_t *bytes) {
    union {
        uint32_t bits;
        float real;
    } both = {.bits = tl_get_u32(bytes)};
    return both.real;
}

static void put_real(tl_writer_t *writer, float value) {
    union {
        float real;
        uint32_t bits;
    } both = {.real = value};
    tl_put_u32(writer, both.bits);
}

/// Replies ///

static void send_hello(uint16_t seq) {
    tl_hello_t hello = {
        .model_id = TL_MODEL_ID, .inputs = tl_fusion_anchor_count, .window = TL_HISTORY, .hop = 1,
        .score_bytes = sizeof(int16_t), .flags = FUSION_FLAG, .arena = sizeof(tl_model_arena_t),
        .state = sizeof(tl_fusion_t), .payload_max = PAYLOAD_MAX,
    };
    if (tl_port_cycle_counter_works()) {
        hello.flags |= 4u;
    }
    tl_send_hello(reply, seq, &hello);
}

static uint8_t fused_flags(void) {
    unsigned flags = (fused.valid ? 1u : 0u) | (fused.stale ? 2u : 0u) | (fused.backwards ? 4u : 0u);
    return (uint8_t)(flags | (fused.restarted ? 8u : 0u));
}

/* All of tl_fusion_counts_t and of tl_imu_counts_t, in the order that docs/reference/link.md has. */
static void put_counts(tl_writer_t *writer) {
    const tl_fusion_counts_t *c = &tl_fusion.counts;
    const tl_imu_counts_t *i = &tl_fusion.reckoner.counts;
    const uint16_t counts[] = {
        c->backwards, c->gaps, c->restarts, c->diverged, c->bad_ranges, c->outside, c->no_fix[0],
        c->no_fix[1], c->no_fix[2], c->no_fix[3], i->bad_samples, i->backwards, i->gaps, i->restarts,
    };
    for (unsigned n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        tl_put_u16(writer, counts[n]);
    }
}

/* What the last IMU or RANGES gave. */
static void send_kept(void) {
    tl_writer_t writer = tl_frame_begin(reply, order.last.type | TL_MESSAGE_REPLY, order.last.seq);
    if (order.last.type == TL_MESSAGE_RANGES) {
        tl_put_u8(&writer, fused_flags());
        tl_put_u8(&writer, (uint8_t)fused.fix);
        put_real(&writer, fused.x);
        put_real(&writer, fused.y);
        put_real(&writer, fused.xx);
        put_real(&writer, fused.yy);
        put_real(&writer, fused.fix_variance);
    }
    tl_put_u32(&writer, last_cycles);
    if (order.last.type == TL_MESSAGE_RANGES) {
        tl_put_u16(&writer, last_stack);
        put_counts(&writer);
    }
    tl_frame_send(&writer);
}

/// Requests ///

static tl_walk_status_t begin_walk(const tl_frame_t *request) {
    return tl_fusion_init(&tl_fusion, &tl_fusion_settings, &tl_fusion_student, tl_fusion_anchors,
                          tl_fusion_anchor_count, get_real(request->body), get_real(request->body + 4));
}

static void take_walk(const tl_frame_t *request) {
    tl_place_t place = tl_order_place(&order, request, true);
    if (place == TL_PLACE_REFUSED) {
        return;
    }
    if (place == TL_PLACE_NEXT) {
        tl_walk_status_t status = begin_walk(request);
        if (status != TL_WALK_OK) {
            tl_send_error(request->seq, TL_LINK_VALUE, status);
            return;
        }
        tl_order_took(&order);
    }
    tl_writer_t writer = tl_frame_begin(reply, TL_MESSAGE_WALK | TL_MESSAGE_REPLY, request->seq);
    tl_frame_send(&writer);
}

static void feel(tl_time_t first_us, const uint8_t *wire) {
    float values[6];
    for (uint8_t i = 0; i < 6; i++) {
        values[i] = get_real(wire + 4u + 4u * i);
    }
    uint32_t start = tl_port_cycles();
    tl_fusion_imu(&tl_fusion, first_us + tl_get_u32(wire), values, values + 3);
    last_cycles += tl_port_cycles() - start;
}

static void range(const uint8_t *wire) {
    float ranges[TL_ANCHORS_MAX];
    for (uint8_t i = 0; i < tl_fusion_anchor_count; i++) {
        ranges[i] = get_real(wire + TIME_WIRE + 4u * i);
    }
    tl_time_t time_us = tl_get_u64(wire);
    uint32_t start = tl_port_cycles();
    tl_fusion_ranges(&tl_fusion, time_us, ranges, &fused);
    last_cycles = tl_port_cycles() - start;
}

static void take_data(const tl_frame_t *request) {
    tl_place_t place = tl_order_place(&order, request, false);
    if (place == TL_PLACE_AGAIN) {
        send_kept();
    }
    if (place != TL_PLACE_NEXT) {
        return;
    }
    last_cycles = 0;
    if (request->type == TL_MESSAGE_RANGES) {
        range(request->body);
    } else {
        for (uint8_t i = 0; i < request->body[0]; i++) {
            feel(tl_get_u64(request->body + 1), request->body + IMU_HEAD + IMU_WIRE * i);
        }
    }
    last_stack = tl_port_stack_high_water();
    tl_order_took(&order);
    send_kept();
}

/* Body length that a request must have, -1 of what is no request. */
static int32_t body_length(const tl_frame_t *request) {
    switch (request->type) {
    case TL_MESSAGE_HELLO:
        return 0;
    case TL_MESSAGE_BAUD:
        return 4;
    case TL_MESSAGE_WALK:
        return 8;
    case TL_MESSAGE_IMU: {
        uint8_t count = request->length ? request->body[0] : 0;
        return count >= 1 && count <= IMU_MAX ? (int32_t)(IMU_HEAD + IMU_WIRE * count) : INT32_MAX; /* no frame is so long */
    }
    case TL_MESSAGE_RANGES:
        return (int32_t)(TIME_WIRE + 4u * tl_fusion_anchor_count);
    default:
        return -1;
    }
}

static void take_request(const tl_frame_t *request) {
    int32_t length = body_length(request);
    if (length < 0) {
        tl_send_error(request->seq, TL_LINK_TYPE, request->type);
    } else if (request->length != length) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
    } else if (request->type == TL_MESSAGE_HELLO) {
        send_hello(request->seq);
    } else if (request->type == TL_MESSAGE_BAUD) {
        tl_session_baud(&session, request, reply);
    } else if (request->type == TL_MESSAGE_WALK) {
        take_walk(request);
    } else {
        take_data(request);
    }
}

/// Interface ///

void tl_fusion_app_init(void) {
    tl_session_init(&session, received, PAYLOAD_MAX);
}

void tl_fusion_app_poll(void) {
    tl_frame_t request;
    if (tl_session_poll(&session, &request)) {
        take_request(&request);
    }
}
