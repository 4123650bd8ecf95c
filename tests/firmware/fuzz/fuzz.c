#include "fuzz.h"
#ifdef TL_LINK_KEY
#include "fuzz_tags.h"
#include "tags/tags.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "link/crc16.h"
#include "port/port.h"

extern uint32_t host_cycles_step, host_reset_cause;
void host_send(const uint8_t *bytes, uint32_t count);
uint32_t host_receive(uint8_t *bytes, uint32_t count);
uint32_t host_waiting(void);

/// The fuzzer's bytes ///

static const uint8_t *given;
static size_t given_left;

bool fuzz_more(void) {
    return given_left > 0;
}

uint8_t fuzz_byte(void) {
    if (given_left == 0) {
        return 0;
    }
    given_left--;
    return *given++;
}

uint16_t fuzz_u16(void) {
    uint16_t low = fuzz_byte();
    return (uint16_t)(low | fuzz_byte() << 8);
}

uint32_t fuzz_u32(void) {
    uint32_t low = fuzz_u16();
    return low | (uint32_t)fuzz_u16() << 16;
}

uint32_t fuzz_below(uint32_t below) {
    return (below <= 256u ? fuzz_byte() : fuzz_u16()) % below;
}

/// Writing ///

void add_u8(message_t *message, uint8_t value) {
    if (message->length < BODY_MOST) {
        message->body[message->length++] = value;
    }
}

void add_u16(message_t *message, uint16_t value) {
    add_u8(message, (uint8_t)value);
    add_u8(message, (uint8_t)(value >> 8));
}

void add_u32(message_t *message, uint32_t value) {
    add_u16(message, (uint16_t)value);
    add_u16(message, (uint16_t)(value >> 16));
}

void add_u64(message_t *message, uint64_t value) {
    add_u32(message, (uint32_t)value);
    add_u32(message, (uint32_t)(value >> 32));
}

expected_t expect_reply(uint8_t type, uint16_t seq) {
    return (expected_t){.reply = {.version = TL_LINK_VERSION, .type = type, .seq = seq}};
}

expected_t expect_error(uint16_t seq, tl_link_error_t code, uint32_t detail) {
    expected_t expected = expect_reply(TL_MESSAGE_ERROR, seq);
    add_u8(&expected.reply, (uint8_t)code);
    add_u32(&expected.reply, detail);
    return expected;
}

/// Order ///

static struct {
    bool begun, begins;
    message_t last;
    expected_t answer;
} order_state;

uint16_t order_next_seq(void) {
    return (uint16_t)(order_state.last.seq + 1u);
}

const message_t *order_last(void) {
    return &order_state.last;
}

const expected_t *order_kept(void) {
    return &order_state.answer;
}

static bool same(const message_t *a, const message_t *b) {
    return a->type == b->type && a->length == b->length && memcmp(a->body, b->body, a->length) == 0;
}

order_t order_of(const message_t *request, bool begins, expected_t *refusal) {
    if (!order_state.begun) {
        *refusal = expect_error(request->seq, TL_LINK_ORDER, 0xFFFFFFFFu);
        return begins ? ORDER_NEXT : ORDER_REFUSED;
    }
    uint16_t last = order_state.last.seq;
    if (request->seq == last && (begins || !order_state.begins)) {
        *refusal = expect_error(request->seq, TL_LINK_CHANGED, order_next_seq());
        return same(request, &order_state.last) ? ORDER_AGAIN : ORDER_REFUSED;
    }
    *refusal = expect_error(request->seq, TL_LINK_ORDER, order_next_seq());
    uint32_t ahead = (65536u + request->seq - last) % 65536u;
    bool fits = begins ? ahead >= 1 && ahead <= 32767u : ahead == 1;
    return fits ? ORDER_NEXT : ORDER_REFUSED;
}

void order_took(const message_t *request, const expected_t *answer, bool begins) {
    order_state.begun = true;
    order_state.begins = begins;
    order_state.last = *request;
    order_state.answer = *answer;
}

/// The wire ///

static uint16_t payload_of(const message_t *message, uint8_t *payload) {
    payload[0] = message->version;
    payload[1] = message->type;
    payload[2] = (uint8_t)message->seq;
    payload[3] = (uint8_t)(message->seq >> 8);
    memcpy(payload + 4, message->body, message->length);
    uint16_t length = (uint16_t)(message->length + 4u), crc = tl_crc16(TL_CRC16_START, payload, length);
    payload[length] = (uint8_t)crc;
    payload[length + 1] = (uint8_t)(crc >> 8);
    return (uint16_t)(length + 2u);
}

static uint32_t stuffed(const uint8_t *payload, uint16_t length, uint8_t *wire) {
    uint32_t code = 0, out = 1;
    for (uint16_t i = 0; i < length; i++) {
        if (payload[i] != 0) {
            wire[out++] = payload[i];
        }
        if (payload[i] == 0 || out - code == 255u) {
            wire[code] = (uint8_t)(out - code);
            code = out++;
        }
    }
    wire[code] = (uint8_t)(out - code);
    wire[out++] = 0;
    return out;
}

static FILE *record; /* of all that went over the wire: length u32 and bytes of each request, then of its answer */

static void note(const uint8_t *bytes, uint32_t length) {
    if (record != NULL) {
        fwrite(&length, sizeof length, 1, record);
        fwrite(bytes, 1, length, record);
    }
}

static void deliver(const uint8_t *wire, uint32_t length) {
    note(wire, length);
    host_send(wire, length);
    while (host_waiting() > 0) {
        app_poll();
    }
}

/* The only frame that came back; false when nothing did. */
static bool answer(const message_t *request, message_t *reply) {
    static uint8_t raw[4096];
    uint32_t length = host_receive(raw, sizeof raw), at = 0, out = 0;
    static uint8_t payload[4096];
    note(raw, length);
    if (length == 0) {
        return false;
    }
    if (raw[length - 1] != 0 || memchr(raw, 0, length - 1) != NULL) {
        fuzz_fail("not one whole frame came back", request);
    }
    while (raw[at] != 0) {
        uint8_t code = raw[at++];
        for (uint8_t i = 1; i < code; i++) {
            payload[out++] = raw[at++];
        }
        if (code < 255 && raw[at] != 0) {
            payload[out++] = 0;
        }
    }
    if (out < 6 || out - 6 > BODY_MOST || tl_crc16(TL_CRC16_START, payload, (uint16_t)(out - 2)) != tl_get_u16(payload + out - 2)) {
        fuzz_fail("a frame with a wrong checksum came back", request);
    }
    *reply = (message_t){.version = payload[0], .type = payload[1], .seq = tl_get_u16(payload + 2), .length = (uint16_t)(out - 6)};
    memcpy(reply->body, payload + 4, reply->length);
    return true;
}

/// Counting ///

static uint64_t sent_of[256], good_of[256], sent_all, answered_all;

_Noreturn void fuzz_fail(const char *what, const message_t *request) {
    fprintf(stderr, "frame %llu: %s\n  type %#x seq %u body", (unsigned long long)sent_all, what, request->type, request->seq);
    for (uint16_t i = 0; i < request->length; i++) {
        fprintf(stderr, " %02x", request->body[i]);
    }
    fprintf(stderr, "\n");
    abort();
}

static void compare(const message_t *request, const expected_t *expected, bool came, message_t *reply) {
    if (came == expected->none) {
        fuzz_fail(came ? "an answer to what is no frame" : "no answer", request);
    }
    if (!came) {
        return;
    }
    const message_t *wanted = &expected->reply;
    if (reply->version != wanted->version || reply->type != wanted->type || reply->seq != wanted->seq || reply->length != wanted->length) {
        fprintf(stderr, "got type %#x seq %u length %u, expected %#x %u %u\n", reply->type, reply->seq, reply->length, wanted->type, wanted->seq, wanted->length);
        fuzz_fail("another answer", request);
    }
    for (uint16_t i = 0; i < reply->length; i++) {
        if (reply->body[i] != wanted->body[i] && (i < expected->free_from || i >= expected->free_to)) {
            fprintf(stderr, "byte %u of the answer %#x is %02x, expected %02x\n", i, reply->type, reply->body[i], wanted->body[i]);
            fuzz_fail("a wrong answer", request);
        }
    }
}

/// Frames ///

/* Requests that every application knows. */
static expected_t expect_request(const message_t *request) {
    if (request->type != TL_MESSAGE_BAUD) {
        return app_expect(request);
    }
    if (request->length != 4) {
        return expect_error(request->seq, TL_LINK_LENGTH, request->length);
    }
    uint32_t wanted = tl_get_u32(request->body), nearest = tl_port_uart_nearest(wanted);
    if (nearest == 0) {
        return expect_error(request->seq, TL_LINK_BAUD, wanted);
    }
    expected_t expected = expect_reply(TL_MESSAGE_BAUD | TL_MESSAGE_REPLY, request->seq);
    add_u32(&expected.reply, nearest);
    return expected;
}

/* The answer to what goes over the wire; `request` becomes what is in it. */
static expected_t expect(const message_t *wire, message_t *request) {
    *request = *wire;
    if (wire->length + 6u > app_payload_max()) {
        return expect_error(0, TL_LINK_TOO_LONG, app_payload_max());
    }
#ifdef TL_LINK_KEY
    if (wire->version == TL_LINK_VERSION || wire->version == TL_TAGGED_VERSION) {
        expected_t refusal;
        return tags_open(wire, request, &refusal) ? expect_request(request) : refusal;
    }
#endif
    if (wire->version != TL_LINK_VERSION) {
        return expect_error(wire->seq, TL_LINK_BAD_VERSION, wire->version);
    }
    return expect_request(request);
}

static void exchange(const message_t *sent) {
    static uint8_t payload[BODY_MOST + 8u], wire[BODY_MOST + 16u];
    static message_t reply, inner;
    expected_t expected = expect(sent, &inner);
    const message_t *request = &inner;
    sent_all++;
    sent_of[request->type]++;
    deliver(wire, stuffed(payload, payload_of(sent, payload), wire));
    bool came = answer(request, &reply);
#ifdef TL_LINK_KEY
    if (came && !tags_strip(&reply)) {
        fuzz_fail("an answer with a wrong tag, or without one", request);
    }
#endif
    compare(request, &expected, came, &reply);
    if (reply.type != TL_MESSAGE_ERROR) {
        good_of[request->type]++;
        answered_all++;
        app_judge(request, &reply);
    }
}

/* A frame with one bit changed: a CRC of 16 bits finds every one. */
static void damaged(const message_t *request) {
    static uint8_t payload[BODY_MOST + 8u], wire[BODY_MOST + 16u];
    static message_t reply;
    uint16_t length = payload_of(request, payload), bit = (uint16_t)(fuzz_u16() % (length * 8u));
    payload[bit / 8u] ^= (uint8_t)(1u << bit % 8u);
    deliver(wire, stuffed(payload, length, wire));
    expected_t expected = length > app_payload_max() ? expect_error(0, TL_LINK_TOO_LONG, app_payload_max())
                                                     : expect_error(0, TL_LINK_CRC, length);
    bool came = answer(request, &reply);
    compare(request, &expected, came, &reply);
}

/* Bytes that are no frame: an ERROR or nothing, and never anything else. */
static void noise(void) {
    uint8_t bytes[24];
    message_t none = {0}, reply;
    uint32_t count = fuzz_below(23);
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(fuzz_byte() | 1u);
    }
    bytes[count] = 0;
    deliver(bytes, count + 1);
    if (answer(&none, &reply) && (reply.type != TL_MESSAGE_ERROR || reply.seq != 0)) {
        fuzz_fail("noise was answered", &none);
    }
}

/* More than a second passes: a rate that nothing has confirmed is given up. */
static void silence(void) {
    uint32_t step = host_cycles_step;
    host_cycles_step = TL_CLOCK_HZ + 1u;
    app_poll();
    host_cycles_step = step;
}

static void hostile(message_t *message) {
    switch (fuzz_below(8)) {
    case 0:
        message->version = fuzz_byte();
        break;
    case 1:
        message->type = fuzz_byte();
        break;
    case 2:
        message->seq = fuzz_u16();
        break;
    case 3:
        message->seq = (uint16_t)(message->seq + fuzz_below(7) - 3u);
        break;
    case 4:
        message->length = (uint16_t)(message->length > 0 ? message->length - 1u : 1u);
        break;
    case 5:
        add_u8(message, fuzz_byte());
        break;
    case 6:
        *message = *order_last();
        message->version = TL_LINK_VERSION;
        if (message->length > 0) {
            message->body[fuzz_u16() % message->length] ^= (uint8_t)(1u << fuzz_below(8));
        }
        break;
    default:
        while (message->length < BODY_MOST && fuzz_byte() != 0) {
            message->length = (uint16_t)(message->length + 97u < BODY_MOST ? message->length + 97u : BODY_MOST);
        }
        break;
    }
}

static void one_frame(void) {
    static message_t message;
    uint8_t kind = fuzz_byte();
    if (kind < 4) {
        noise();
        return;
    }
    if (kind < 6) {
        silence();
        return;
    }
    message = (message_t){.version = TL_LINK_VERSION, .seq = order_next_seq()};
    if (kind < 12) {
        message.type = kind & 1 ? TL_MESSAGE_HELLO : TL_MESSAGE_BAUD;
        if (message.type == TL_MESSAGE_BAUD) {
            add_u32(&message, fuzz_byte() & 3 ? 9600u + fuzz_u16() * 13u : fuzz_u32());
        }
    } else if (kind < 24 && order_last()->version != 0) {
        message = *order_last(); /* once more */
    } else {
        app_make(&message);
    }
    if (kind >= 250) {
        damaged(&message);
    }
    if (kind >= 226) {
        hostile(&message);
    }
#ifdef TL_LINK_KEY
    tags_seal(&message);
#endif
    exchange(&message);
}

static void power_on(void) {
    uint8_t rest[4096];
    memset(&order_state, 0, sizeof order_state);
#ifdef TL_LINK_KEY
    tags_power_on();
#endif
    app_power_on();
    while (host_receive(rest, sizeof rest) > 0) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    given = data;
    given_left = size;
    power_on();
    while (fuzz_more()) {
        one_frame();
    }
    return 0;
}

#ifndef FUZZ_BY_CLANG

/* What the device says unasked: after a watchdog's reset, and of a fault. */
static void notices(void) {
    message_t none = {0}, reply;
    host_reset_cause = TL_RESET_WATCHDOG;
    app_power_on();
    expected_t watchdog = expect_error(0, TL_LINK_WATCHDOG, 0);
    uint8_t delimiter;
    if (host_receive(&delimiter, 1) != 1 || delimiter != 0 || !answer(&none, &reply)) {
        fuzz_fail("no notice of the watchdog", &none);
    }
    compare(&none, &watchdog, true, &reply);
    host_reset_cause = TL_RESET_POWER;
    tl_send_fault(1, 2, 3);
    expected_t fault = expect_error(0, TL_LINK_FAULT, 1);
    add_u32(&fault.reply, 2);
    add_u32(&fault.reply, 3);
    if (host_receive(&delimiter, 1) != 1 || delimiter != 0 || !answer(&none, &reply)) {
        fuzz_fail("no report of the fault", &none);
    }
    compare(&none, &fault, true, &reply);
}

/* seed, frames, a file for the record: prints for each type of request how many were sent and how many carried out */
int main(int argc, char **argv) {
    static uint8_t bytes[1u << 16];
    uint64_t state = argc > 1 ? strtoull(argv[1], NULL, 10) * 2u + 1u : 1u, wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000u;
    notices();
    record = argc > 3 ? fopen(argv[3], "wb") : NULL;
    while (sent_all < wanted) {
        for (size_t i = 0; i < sizeof bytes; i++) { /* xorshift64* */
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes[i] = (uint8_t)(state * 0x2545F4914F6CDD1Du >> 56);
        }
        LLVMFuzzerTestOneInput(bytes, sizeof bytes);
    }
    for (unsigned type = 0; type < 256; type++) {
        if (good_of[type] > 0) {
            printf("%u %llu %llu\n", type, (unsigned long long)sent_of[type], (unsigned long long)good_of[type]);
        }
    }
    if (record != NULL) {
        fclose(record);
    }
    printf("all %llu %llu\n", (unsigned long long)sent_all, (unsigned long long)answered_all);
    return 0;
}

#endif
