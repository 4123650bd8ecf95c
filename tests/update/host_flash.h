#include <stdint.h>
extern uint8_t host_slots[];
