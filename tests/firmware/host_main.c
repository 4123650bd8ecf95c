/* The device as a program: bytes of the wire on standard input and output. Built with sanitizers and fed garbage. */
#include <stdio.h>

#include "app/app.h"

void host_send(const uint8_t *bytes, uint32_t count);
uint32_t host_receive(uint8_t *bytes, uint32_t count);
uint32_t host_waiting(void);

int main(void) {
    uint8_t byte;
    tl_app_init();
    for (int c = getchar(); c != EOF; c = getchar()) {
        byte = (uint8_t)c;
        host_send(&byte, 1);
        while (host_waiting() > 0) {
            tl_app_poll();
        }
        while (host_receive(&byte, 1) > 0) {
            putchar(byte);
        }
    }
    return 0;
}
