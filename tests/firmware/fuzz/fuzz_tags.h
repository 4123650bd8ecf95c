/* What the fuzzer knows of a device that asks for tags: sessions, counters, and how its frames are sealed or spoilt. */
#ifndef FUZZ_TAGS_H
#define FUZZ_TAGS_H

#include "fuzz.h"

/* As after a power cut. */
void tags_power_on(void);

/* Turn a request into what goes over the wire: mostly sealed as it must be, else in some way that must be refused. */
void tags_seal(message_t *message);

/* What a message of the wire is to the device. False: it is refused, or answered, with `expected`. True: the request in
 * it is carried out, as `inner` has it. */
bool tags_open(const message_t *wire, message_t *inner, expected_t *expected);

/* Take the tag of an answer off. False when it is not the right one. */
bool tags_strip(message_t *reply);

#endif
