/* The student: int8 weights, int16 activations, int32 sums. The reference is training/fusion/quantised.py. */
#ifndef TL_STUDENT_H
#define TL_STUDENT_H

#include <stdint.h>

#define TL_HISTORY 10
#define TL_CHANNELS 7 /* x, y; fix less position; residual; walking velocity */
#define TL_STUDENT_INPUTS (TL_HISTORY * TL_CHANNELS + 2)
#define TL_STUDENT_WIDEST 96 /* inputs or units of any layer */

typedef struct {
    const int8_t *weights; /* (outputs, inputs) */
    const int32_t *bias;   /* (outputs,) in units of a product */
    const float *scale;    /* (outputs,) sum -> real */
    float per_step;        /* one over the scale of the int16 that the next layer reads; 0: the last layer */
    uint8_t inputs, outputs; /* at most TL_STUDENT_WIDEST; outputs a multiple of four, the last layer's four */
} tl_student_layer_t;

typedef struct {
    const tl_student_layer_t *layers;
    uint8_t count;
    float centre[2], per_half; /* of the absolute position: (position - centre) * per_half */
} tl_student_t;

typedef struct {
    float position[2];  /* m */
    float variance;     /* of it, each axis, m^2 */
    float fix_variance; /* of the fix that will come, each axis, m^2 */
} tl_forecast_t;

/* `rows` is a ring of the last epochs whose oldest is `oldest`. */
void tl_student_forecast(const tl_student_t *student, const float rows[TL_HISTORY][TL_CHANNELS], uint8_t oldest,
                         tl_forecast_t *out);

#endif
