/* Kalman filter over [x, y, vx, vy] with constant velocity. The reference is training/fusion/filters/ekf.py. */
#ifndef TL_EKF_H
#define TL_EKF_H

#include <stdbool.h>

typedef struct {
    float x[4];    /* m, m, m/s, m/s */
    float p[4][4]; /* covariance */
} tl_ekf_t;

/* At a position with a standard deviation in m, speed unknown by 1 m/s. */
void tl_ekf_start(tl_ekf_t *ekf, float x, float y, float deviation);

/* dt in s, acceleration noise in m/s^2/sqrt(Hz). The position moves on for at most 2 s, the covariance grows for all. */
void tl_ekf_predict(tl_ekf_t *ekf, float dt, float acceleration);

/* Components first and first + 1 were measured as value[2], each with this variance. */
void tl_ekf_update(tl_ekf_t *ekf, unsigned first, const float value[2], float variance);

/* Whether the state is no longer finite, or knows no better than 30 m. */
bool tl_ekf_lost(const tl_ekf_t *ekf);

#endif
