#include "app/app.h"

int main(void) {
    tl_app_init();
    for (;;) {
        tl_app_poll();
    }
}
