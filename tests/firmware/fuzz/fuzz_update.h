/* What the fuzzer knows of a device that takes updates: its slots, the update that goes on, the model that runs. */
#ifndef FUZZ_UPDATE_H
#define FUZZ_UPDATE_H

#include "fuzz.h"

/* As it leaves the factory. */
void update_power_on(void);

/* A message of an update, with content that is mostly right. */
void update_make(message_t *message);

bool update_takes(uint8_t type);
expected_t update_expect(const message_t *request);

/* Looks at an answer that was as expected. */
void update_judge(const message_t *request, const message_t *reply);

bool update_has_model(void);

/* A RESET is carried out; whether what was committed since begins to run with it. */
bool update_waits(void);
void update_reset(void);

/* Abort when other constants run than those of the model that must. */
void update_check_model(const message_t *request);

#endif
