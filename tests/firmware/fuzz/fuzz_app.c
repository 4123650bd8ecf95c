/* The application that classifies scans, fuzzed: its answers are those of a localiser of our own that is called directly
 * with what was sent, and each of them makes sense by itself. */
#include "app/app.c" /* its variables are set back to what they are at power-on */

#include <string.h>

#include "fuzz.h"
#ifdef TL_UPDATE
#include "fuzz_update.h"
#endif

static tl_localiser_t twin;
static tl_model_arena_t twin_arena;
static bool restarts; /* the twin begins anew at the next frame */

void app_power_on(void) {
    memset(&order, 0, sizeof order);
    memset(&session, 0, sizeof session);
    memset(&tl_localiser, 0xA5, sizeof tl_localiser);
#ifdef TL_UPDATE
    update_power_on();
#endif
    tl_app_init();
    restarts = false;
#ifdef TL_UPDATE
    if (!update_has_model()) {
        return;
    }
#endif
    tl_localiser_init(&twin);
}

void app_poll(void) {
    tl_app_poll();
}

uint16_t app_payload_max(void) {
    return PAYLOAD_MAX;
}

static int8_t reading(void) {
    int8_t dbm = (int8_t)fuzz_byte();
    return dbm == TL_MISSING_DBM ? -50 : dbm;
}

static void make_sparse(message_t *message, bool sound) {
    uint32_t count = 0, index = fuzz_below(TL_INPUTS), step = 1u + TL_INPUTS / 8u;
    message->type = TL_MESSAGE_SAMPLE_SPARSE;
    add_u16(message, 0);
    while (index < TL_INPUTS && count < READINGS_MAX) {
        add_u16(message, (uint16_t)index);
        add_u8(message, (uint8_t)reading());
        count++;
        index += 1u + fuzz_below(step);
    }
    if (fuzz_below(16) == 0) { /* nothing heard */
        message->length = 2;
        count = 0;
    }
    message->body[0] = (uint8_t)count;
    message->body[1] = (uint8_t)(count >> 8);
    if (!sound && count > 0) {
        uint8_t *one = message->body + 2u + 3u * fuzz_below(count);
        switch (fuzz_below(4)) {
        case 0:
            one[2] = TL_MISSING_DBM;
            break;
        case 1:
            one[1] = fuzz_byte();
            break;
        case 2:
            one[0] = fuzz_byte();
            break;
        default:
            message->body[fuzz_below(2)] ^= (uint8_t)(1u << fuzz_below(8));
            break;
        }
    }
}

void app_make(message_t *message) {
    uint8_t kind = fuzz_byte();
#ifdef TL_UPDATE
    if (fuzz_below(2) == 0) {
        update_make(message);
        return;
    }
#endif
    if (kind < 16 || order_last()->version == 0) {
        message->type = TL_MESSAGE_RESET;
        message->seq = (uint16_t)(message->seq + (kind & 8 ? 0u : fuzz_below(9) * 5000u));
    } else if (kind < 150) {
        make_sparse(message, kind >= 36);
    } else {
        message->type = TL_MESSAGE_SAMPLE_DENSE;
        for (uint16_t i = 0; i < TL_INPUTS; i++) {
            add_u8(message, fuzz_byte() & 3 ? (uint8_t)reading() : TL_MISSING_DBM);
        }
    }
}

/* What is wrong with the readings of a sparse sample; false when nothing is. */
static bool refused(const message_t *request, uint16_t count, expected_t *refusal) {
    int32_t before = -1;
    for (uint16_t i = 0; i < count; i++) {
        const uint8_t *wire = request->body + 2 + 3 * i;
        int32_t index = wire[0] + 256 * wire[1];
        tl_link_error_t code = index >= TL_INPUTS ? TL_LINK_INDEX
                               : index <= before  ? TL_LINK_NOT_ASCENDING
                               : wire[2] == 127   ? TL_LINK_VALUE
                                                  : TL_LINK_OK;
        if (code != TL_LINK_OK) {
            *refusal = expect_error(request->seq, code, (uint32_t)index);
            return true;
        }
        before = index;
    }
    return false;
}

static expected_t classified(const message_t *request, bool dense) {
    static int8_t row[TL_INPUTS];
    tl_estimate_t told;
    for (uint32_t i = 0; i < TL_INPUTS; i++) {
        row[i] = dense ? (int8_t)request->body[i] : TL_MISSING_DBM;
    }
    for (uint16_t i = 0; !dense && i < tl_get_u16(request->body); i++) {
        row[tl_get_u16(request->body + 2 + 3 * i)] = (int8_t)request->body[4 + 3 * i];
    }
    tl_localiser_sample_dense(&twin, &twin_arena, row, &told);
    expected_t expected = expect_reply(TL_MESSAGE_RESULT, request->seq);
    add_u16(&expected.reply, (uint16_t)told.class_index);
    const int32_t least_heard = TL_LEAST_HEARD, least_margin = TL_LEAST_MARGIN;
    bool vague = told.heard < least_heard || tl_margin(&twin, &told) < least_margin;
    add_u8(&expected.reply, (uint8_t)((told.class_index >= 0 && vague) + 2 * TL_POSITION));
    add_u16(&expected.reply, told.heard);
    add_u32(&expected.reply, (uint32_t)tl_margin(&twin, &told));
    expected.free_from = expected.reply.length;
    add_u32(&expected.reply, 0);
    expected.free_to = expected.reply.length;
    add_u16(&expected.reply, tl_port_stack_high_water());
    add_u16(&expected.reply, TL_CLASSES);
    for (uint16_t c = 0; c < TL_CLASSES; c++) {
        add_u8(&expected.reply, (uint8_t)told.scores[c]);
        if (sizeof(tl_score_t) == 2) {
            add_u8(&expected.reply, (uint8_t)((uint32_t)told.scores[c] >> 8));
        }
    }
#if TL_POSITION
    add_u32(&expected.reply, (uint32_t)told.position_mm[0]);
    add_u32(&expected.reply, (uint32_t)told.position_mm[1]);
#endif
    return expected;
}

static expected_t expect_sample(const message_t *request) {
    bool dense = request->type == TL_MESSAGE_SAMPLE_DENSE;
#ifdef TL_UPDATE
    if (!update_has_model()) {
        return expect_error(request->seq, TL_LINK_NO_MODEL, 0);
    }
#endif
    uint16_t count = dense || request->length < 2 ? 0 : tl_get_u16(request->body);
    if (request->length != (dense ? TL_INPUTS : 2u + 3u * count)) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    expected_t expected;
    order_t place = order_of(request, false, &expected);
    if (place == ORDER_AGAIN) {
        return *order_kept();
    }
    if (place == ORDER_NEXT && (dense || !refused(request, count, &expected))) {
        expected = classified(request, dense);
        order_took(request, &expected, false);
    }
    return expected;
}

static expected_t expect_reset(const message_t *request) {
    expected_t expected;
    order_t place = order_of(request, true, &expected);
    if (place == ORDER_REFUSED) {
        return expected;
    }
#ifdef TL_UPDATE
    place = update_waits() ? ORDER_NEXT : place;
    update_reset();
    if (!update_has_model()) {
        return expect_error(request->seq, TL_LINK_NO_MODEL, 0);
    }
#endif
    expected = expect_reply(TL_MESSAGE_RESET | TL_MESSAGE_REPLY, request->seq);
    if (place == ORDER_NEXT) {
        restarts = true; /* the twin, when the device has chosen its model */
        order_took(request, &expected, true);
    }
    return expected;
}

expected_t app_expect(const message_t *request) {
    if (restarts) {
        restarts = false;
        tl_localiser_init(&twin);
    }
#ifdef TL_UPDATE
    if (update_takes(request->type)) {
        return update_expect(request);
    }
#endif
    if (request->type == TL_MESSAGE_SAMPLE_SPARSE || request->type == TL_MESSAGE_SAMPLE_DENSE) {
        return expect_sample(request);
    }
    if (request->type != TL_MESSAGE_HELLO && request->type != TL_MESSAGE_RESET) {
        return expect_error(request->seq, TL_LINK_TYPE, request->type);
    }
    if (request->length != 0) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    if (request->type == TL_MESSAGE_RESET) {
        return expect_reset(request);
    }
    expected_t expected = expect_reply(TL_MESSAGE_HELLO | TL_MESSAGE_REPLY, request->seq);
    expected.reply.length = expected.free_to = TL_HELLO_BODY; /* tests/firmware/test_link.py looks at each byte */
    return expected;
}

void app_judge(const message_t *request, const message_t *reply) {
#ifdef TL_UPDATE
    update_judge(request, reply);
    update_check_model(request);
#endif
    if (reply->type != TL_MESSAGE_RESULT) {
        return;
    }
    int16_t decided = (int16_t)tl_get_u16(reply->body);
    int32_t margin = (int32_t)tl_get_u32(reply->body + 5);
    if (decided < -1 || decided >= TL_CLASSES || margin < 0 || tl_get_u16(reply->body + 3) > TL_INPUTS) {
        fuzz_fail("a RESULT that makes no sense", request);
    }
#if TL_WINDOW == 1 && !TL_CRF
    const uint8_t *scores = reply->body + 17;
    for (uint16_t c = 0; c < TL_CLASSES; c++) {
        int32_t score = sizeof(tl_score_t) == 1 ? (int8_t)scores[c] : (int16_t)tl_get_u16(scores + 2 * c);
        int32_t best = sizeof(tl_score_t) == 1 ? (int8_t)scores[decided] : (int16_t)tl_get_u16(scores + 2 * decided);
        if (c != decided && best - score < margin) {
            fuzz_fail("a class that is not the best, or not by its margin", request);
        }
    }
#endif
}
