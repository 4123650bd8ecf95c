#include "fusion/ekf.h"

#include "fusion/real.h"

#define START_SPEED_STD 1.0f
#define DIVERGED_VARIANCE 900.0f
#define LONGEST_MOVE_S 2.0f

void tl_ekf_start(tl_ekf_t *ekf, float x, float y, float deviation) {
    *ekf = (tl_ekf_t){.x = {x, y, 0.0f, 0.0f}};
    ekf->p[0][0] = ekf->p[1][1] = deviation * deviation;
    ekf->p[2][2] = ekf->p[3][3] = START_SPEED_STD * START_SPEED_STD;
}

void tl_ekf_predict(tl_ekf_t *ekf, float dt, float acceleration) {
    float(*p)[4] = ekf->p;
    float move = tl_real_min(dt, LONGEST_MOVE_S);
    ekf->x[0] += move * ekf->x[2];
    ekf->x[1] += move * ekf->x[3];
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = i; j < 2; j++) {
            p[i][j] += dt * (p[i][j + 2] + p[j][i + 2]) + dt * dt * p[i + 2][j + 2];
        }
    }
    p[1][0] = p[0][1];
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 2; j < 4; j++) {
            p[i][j] += dt * p[i + 2][j];
            p[j][i] = p[i][j];
        }
    }
    float q = acceleration * acceleration * dt;
    for (unsigned i = 0; i < 2; i++) {
        p[i][i] += q * dt * dt / 3.0f;
        p[i][i + 2] += q * dt / 2.0f;
        p[i + 2][i] = p[i][i + 2];
        p[i + 2][i + 2] += q;
    }
}

void tl_ekf_update(tl_ekf_t *ekf, unsigned first, const float value[2], float variance) {
    float column[4][2], gain[4][2];
    for (unsigned i = 0; i < 4; i++) {
        column[i][0] = ekf->p[i][first];
        column[i][1] = ekf->p[i][first + 1];
    }
    float a = column[first][0] + variance, b = column[first][1], c = column[first + 1][1] + variance;
    float scale = 1.0f / (a * c - b * b);
    for (unsigned i = 0; i < 4; i++) {
        gain[i][0] = (column[i][0] * c - column[i][1] * b) * scale;
        gain[i][1] = (column[i][1] * a - column[i][0] * b) * scale;
    }
    float dx = value[0] - ekf->x[first], dy = value[1] - ekf->x[first + 1];
    for (unsigned i = 0; i < 4; i++) {
        ekf->x[i] += gain[i][0] * dx + gain[i][1] * dy;
        for (unsigned j = 0; j <= i; j++) { /* one triangle, then its mirror: stays symmetric */
            ekf->p[i][j] -= gain[i][0] * column[j][0] + gain[i][1] * column[j][1];
            ekf->p[j][i] = ekf->p[i][j];
        }
    }
}

bool tl_ekf_lost(const tl_ekf_t *ekf) {
    float sum = 0.0f;
    for (unsigned i = 0; i < 4; i++) {
        sum += ekf->x[i];
        for (unsigned j = 0; j < 4; j++) {
            sum += ekf->p[i][j];
        }
    }
    return !tl_finite(sum) || !(ekf->p[0][0] + ekf->p[1][1] < DIVERGED_VARIANCE);
}
