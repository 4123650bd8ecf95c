#include "app/app.h"

#include <stdbool.h>

#include "board.h"
#include "link/messages.h"
#include "link/order.h"
#include "link/session.h"
#include "localise/margin.h"
#include "port/port.h"
#ifdef TL_DEBUG_LAYERS
#include "debug/layers.h"
#endif
#ifdef TL_UPDATE
#include "update/update.h"
#else
#define TL_UPDATE_BODY 0u
#define TL_UPDATE_REPLY 0u
#endif

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* The host sends the shorter of both forms, so a row of all access points is the longest body that need be taken.
 * Few access points cost little: with up to 42 every sparse scan fits as well. */
#define READING_WIRE 3u /* bytes of a reading on the wire */
#define SAMPLE_MAX MAX(TL_INPUTS, MIN(2u + READING_WIRE * TL_INPUTS, 128u))
#define BODY_MAX MAX(MAX(SAMPLE_MAX, 4u), TL_UPDATE_BODY)
#define PAYLOAD_MAX (TL_FRAME_HEAD + BODY_MAX + TL_FRAME_TAG + TL_FRAME_CRC)
#define READINGS_MAX ((BODY_MAX - 2u) / READING_WIRE)

#define RESULT_BODY (17u + TL_CLASSES * sizeof(tl_score_t) + 8u * TL_POSITION)
#ifdef TL_DEBUG_LAYERS
#define CHECKS_MAX 16u /* of one reply */
#define LAYERS_BODY (4u + 4u * CHECKS_MAX)
#else
#define LAYERS_BODY 0u
#endif
#define REPLY_MAX (TL_FRAME_HEAD + MAX(MAX(TL_HELLO_BODY, RESULT_BODY), MAX(LAYERS_BODY, TL_UPDATE_REPLY)) + \
                   TL_FRAME_TAG + TL_FRAME_CRC)
_Static_assert(PAYLOAD_MAX <= 65535u && REPLY_MAX <= 65535u, "lengths are counted by 16 bits");

/* The received payload; a sparse scan is spread out in place, from 3 bytes a reading to a tl_reading_t each. */
typedef union {
    uint8_t bytes[PAYLOAD_MAX];
    tl_reading_t readings[2u + READINGS_MAX]; /* behind the head and count, which take the place of two */
} received_t;

tl_localiser_t tl_localiser;
tl_model_arena_t tl_arena;

static received_t received;
static tl_session_t session;
static uint8_t reply[REPLY_MAX];

static tl_order_t order;
static tl_estimate_t estimate; /* kept with what follows, for a host that lost the answer and asks again */
static uint32_t estimate_cycles;
static uint16_t estimate_stack;

/// Replies ///

#ifdef TL_UPDATE
static bool has_model(void) {
    return tl_constants != 0;
}
#endif

static void send_empty(const tl_frame_t *request) {
    tl_writer_t writer = tl_frame_begin(reply, request->type | TL_MESSAGE_REPLY, request->seq);
    tl_frame_send(&writer);
}

static uint16_t flags(void) {
    uint16_t set = (TL_CRF ? 1u : 0u) | (TL_SPARSE ? 2u : 0u) | (TL_BACKEND << 4);
    if (tl_port_cycle_counter_works()) {
        set |= 4u;
    }
#ifdef TL_DEBUG_LAYERS
    set |= 8u;
#endif
#ifdef TL_UPDATE
    set |= 1u << 7;
#endif
    return set;
}

static void send_hello(uint16_t seq) {
#ifdef TL_UPDATE
    if (!has_model()) {
        tl_hello_t nothing = {.window = TL_WINDOW, .hop = TL_HOP, .inputs = TL_INPUTS, .score_bytes = sizeof(tl_score_t),
                              .flags = flags(), .payload_max = PAYLOAD_MAX};
        tl_send_hello(reply, seq, &nothing);
        return;
    }
#endif
    tl_hello_t hello = {
        .model_id = TL_MODEL_ID, .inputs = (uint16_t)TL_INPUT_COUNT, .classes = (uint16_t)TL_CLASS_COUNT, .window = TL_WINDOW, .hop = TL_HOP,
        .score_bytes = sizeof(tl_score_t), .flags = flags(), .arena = sizeof(tl_model_arena_t),
        .state = sizeof(tl_localiser_t), .payload_max = PAYLOAD_MAX,
    };
    tl_send_hello(reply, seq, &hello);
}

static void send_result(void) {
    int32_t margin = tl_margin(&tl_localiser, &estimate);
    int32_t least_heard = TL_LEAST_HEARD;
    bool enough = estimate.heard >= least_heard && (TL_LEAST_MARGIN == 0 || margin >= TL_LEAST_MARGIN);
    bool unknown = estimate.class_index >= 0 && !enough;
    tl_writer_t writer = tl_frame_begin(reply, TL_MESSAGE_RESULT, order.last.seq);
    tl_put_u16(&writer, (uint16_t)estimate.class_index);
    tl_put_u8(&writer, (unknown ? 1u : 0u) | (TL_POSITION ? 2u : 0u));
    tl_put_u16(&writer, estimate.heard);
    tl_put_u32(&writer, (uint32_t)margin);
    tl_put_u32(&writer, estimate_cycles);
    tl_put_u16(&writer, estimate_stack);
    tl_put_u16(&writer, (uint16_t)TL_CLASS_COUNT);
    for (uint16_t c = 0; c < TL_CLASS_COUNT; c++) {
        if (sizeof(tl_score_t) == 1) {
            tl_put_u8(&writer, (uint8_t)estimate.scores[c]);
        } else {
            tl_put_u16(&writer, (uint16_t)estimate.scores[c]);
        }
    }
#if TL_POSITION
    tl_put_u32(&writer, (uint32_t)estimate.position_mm[0]);
    tl_put_u32(&writer, (uint32_t)estimate.position_mm[1]);
#endif
    tl_frame_send(&writer);
}

#ifdef TL_DEBUG_LAYERS
/* Checks of the last sample, from number `first` on: as many as a reply holds. */
static void send_layers(uint16_t seq, uint16_t first) {
    tl_writer_t writer = tl_frame_begin(reply, TL_MESSAGE_LAYERS | TL_MESSAGE_REPLY, seq);
    uint16_t count = tl_check_count();
    tl_put_u16(&writer, count);
    tl_put_u16(&writer, first);
    for (uint32_t i = first; i < count && i < first + CHECKS_MAX; i++) {
        tl_put_u32(&writer, tl_check_at((uint16_t)i));
    }
    tl_frame_send(&writer);
}
#endif

/// Samples ///

/* Spread `count` readings out in place. Backwards: each is written at or behind where it was read, and in front of
 * nothing that is still to be read. */
static tl_reading_t *spread(uint16_t count) {
    tl_reading_t *readings = &received.readings[2];
    const uint8_t *wire = received.bytes + TL_FRAME_HEAD + 2u;
    for (uint16_t i = count; i-- > 0;) {
        const uint8_t *from = wire + (uint32_t)READING_WIRE * i;
        tl_reading_t reading = {.index = tl_get_u16(from), .dbm = (int8_t)from[2]};
        readings[i] = reading;
    }
    return readings;
}

static void refuse_readings(uint16_t seq, const tl_reading_t *readings, uint16_t count) {
    uint16_t position = 0;
    switch (tl_localiser_check(readings, count, &position)) {
    case TL_ERR_INDEX:
        tl_send_error(seq, TL_LINK_INDEX, readings[position].index);
        break;
    case TL_ERR_ORDER:
        tl_send_error(seq, TL_LINK_NOT_ASCENDING, readings[position].index);
        break;
    case TL_ERR_VALUE:
    case TL_OK:
        tl_send_error(seq, TL_LINK_VALUE, readings[position].index);
        break;
    }
}

/* Carry a sample out. False when it was refused. */
static bool classify(const tl_frame_t *request, bool dense, uint16_t count) {
    tl_status_t status = TL_OK;
    uint32_t start;
    if (dense) {
        start = tl_port_cycles();
        tl_localiser_sample_dense(&tl_localiser, &tl_arena, (const int8_t *)request->body, &estimate);
    } else {
        const tl_reading_t *readings = spread(count);
        start = tl_port_cycles();
        status = tl_localiser_sample(&tl_localiser, &tl_arena, readings, count, &estimate);
    }
    uint32_t cycles = tl_port_cycles() - start;
    if (status != TL_OK) {
        refuse_readings(request->seq, &received.readings[2], count);
        return false;
    }
    estimate_cycles = cycles;
    estimate_stack = tl_port_stack_high_water();
    tl_order_took(&order);
    return true;
}

static void take_sample(const tl_frame_t *request) {
    bool dense = request->type == TL_MESSAGE_SAMPLE_DENSE;
#ifdef TL_UPDATE
    if (!has_model()) {
        tl_send_error(request->seq, TL_LINK_NO_MODEL, 0);
        return;
    }
#endif
    uint16_t count = 0;
    uint32_t length = (uint32_t)TL_INPUT_COUNT;
    if (!dense) {
        count = request->length >= 2u ? tl_get_u16(request->body) : 0;
        length = 2u + (uint32_t)READING_WIRE * count;
    }
    if (request->length != length) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
        return;
    }
    tl_place_t place = tl_order_place(&order, request, false);
    if (place == TL_PLACE_AGAIN || (place == TL_PLACE_NEXT && classify(request, dense, count))) {
        send_result();
    }
}

/// Requests ///

static void take_reset(const tl_frame_t *request) {
    tl_place_t place = tl_order_place(&order, request, true);
    if (place == TL_PLACE_REFUSED) {
        return;
    }
#ifdef TL_UPDATE
    if (tl_update_changed()) { /* what an earlier RESET answered does not hold any more */
        place = TL_PLACE_NEXT;
    }
#endif
    if (place == TL_PLACE_NEXT) {
#ifdef TL_UPDATE
        if (!tl_update_begin_recording()) {
            tl_send_error(request->seq, TL_LINK_NO_MODEL, 0);
            return;
        }
#endif
        tl_localiser_init(&tl_localiser);
        tl_order_took(&order);
    }
    send_empty(request);
}

/* Body length of a request that always has the same, -1 of a sample, -2 of what is no request. */
static int32_t fixed_length(uint8_t type) {
    switch (type) {
    case TL_MESSAGE_HELLO:
    case TL_MESSAGE_RESET:
        return 0;
    case TL_MESSAGE_BAUD:
        return 4;
#ifdef TL_DEBUG_LAYERS
    case TL_MESSAGE_LAYERS:
        return 2;
#endif
    case TL_MESSAGE_SAMPLE_SPARSE:
    case TL_MESSAGE_SAMPLE_DENSE:
        return -1;
#ifdef TL_UPDATE
    case TL_MESSAGE_UPDATE_STATUS:
    case TL_MESSAGE_UPDATE_BEGIN:
    case TL_MESSAGE_UPDATE_DATA:
    case TL_MESSAGE_UPDATE_COMMIT:
    case TL_MESSAGE_CHALLENGE:
    case TL_MESSAGE_ROLLBACK:
        return -1; /* update.c knows */
#endif
    default:
        return -2;
    }
}

static void take_request(const tl_frame_t *request) {
    int32_t length = fixed_length(request->type);
    if (length == -2) {
        tl_send_error(request->seq, TL_LINK_TYPE, request->type);
    } else if (length >= 0 && request->length != length) {
        tl_send_error(request->seq, TL_LINK_LENGTH, request->length);
    } else if (request->type == TL_MESSAGE_HELLO) {
        send_hello(request->seq);
    } else if (request->type == TL_MESSAGE_RESET) {
        take_reset(request);
#ifdef TL_UPDATE
    } else if (tl_update_takes(request->type)) {
        tl_update_request(request, reply);
#endif
    } else if (request->type == TL_MESSAGE_BAUD) {
        tl_session_baud(&session, request, reply);
#ifdef TL_DEBUG_LAYERS
    } else if (request->type == TL_MESSAGE_LAYERS) {
        send_layers(request->seq, tl_get_u16(request->body));
#endif
    } else {
        take_sample(request);
    }
}

/// Interface ///

void tl_app_init(void) {
#ifdef TL_UPDATE
    if (tl_update_choose())
#endif
    {
        tl_localiser_init(&tl_localiser);
    }
    tl_session_init(&session, received.bytes, PAYLOAD_MAX);
}

void tl_app_poll(void) {
    tl_frame_t request;
    if (tl_session_poll(&session, &request)) {
        take_request(&request);
    }
}
