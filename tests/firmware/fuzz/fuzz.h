/* Frames by a grammar, made from the bytes of a fuzzer or of a seed: right checksum and shape, hostile content. Each is
 * sent to the device, and what comes back is compared with what docs/reference/link.md says must come. Two applications use it. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/frame.h"
#include "link/messages.h"

#define BODY_MOST 700u

typedef struct {
    uint8_t version, type;
    uint16_t seq, length;
    uint8_t body[BODY_MOST];
} message_t;

/* The answer that must come. `free_from` to `free_to` are bytes of the body that may be anything (cycles). */
typedef struct {
    bool none;
    message_t reply;
    uint16_t free_from, free_to;
} expected_t;

/// The fuzzer's bytes ///

bool fuzz_more(void);
uint8_t fuzz_byte(void);
uint16_t fuzz_u16(void);
uint32_t fuzz_u32(void);
/* 0 to below, evenly */
uint32_t fuzz_below(uint32_t below);

/// Writing ///

void add_u8(message_t *message, uint8_t value);
void add_u16(message_t *message, uint16_t value);
void add_u32(message_t *message, uint32_t value);
void add_u64(message_t *message, uint64_t value);

/* An ERROR about the frame `seq`. */
expected_t expect_error(uint16_t seq, tl_link_error_t code, uint32_t detail);

/* A reply of this type that the caller fills. */
expected_t expect_reply(uint8_t type, uint16_t seq);

/// Order, as docs/reference/link.md has it ///

typedef enum { ORDER_NEXT, ORDER_AGAIN, ORDER_REFUSED } order_t;

/* Where a request stands; `refusal` is filled when it is refused. */
order_t order_of(const message_t *request, bool begins, expected_t *refusal);

/* The request was carried out with this answer, which a repetition gets again. */
void order_took(const message_t *request, const expected_t *answer, bool begins);

const expected_t *order_kept(void);

/* The seq that follows the last. */
uint16_t order_next_seq(void);

/* The last request that was carried out. */
const message_t *order_last(void);

/// What an application brings ///

/* Switch the device and what is known of it on again, as after a power cut. */
void app_power_on(void);
void app_poll(void);
uint16_t app_payload_max(void);

/* A request of this application with the given kind of content, with the right seq. */
void app_make(message_t *message);

/* The answer to a request whose version is right. */
expected_t app_expect(const message_t *request);

/* Looks at an answer that was as expected; aborts when it cannot be true. */
void app_judge(const message_t *request, const message_t *reply);

/* Abort with a reason. */
_Noreturn void fuzz_fail(const char *what, const message_t *request);

#endif
