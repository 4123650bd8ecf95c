#include "fusion_app/app.h"

int main(void) {
    tl_fusion_app_init();
    for (;;) {
        tl_fusion_app_poll();
    }
}
