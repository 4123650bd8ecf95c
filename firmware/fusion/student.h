/* The student: a generated network (model.h) between histories in metres and forecasts in metres.
 * The reference is training/fusion/students/quantised.py. */
#ifndef TL_STUDENT_H
#define TL_STUDENT_H

#include <stdint.h>

#include "model.h"

#define TL_HISTORY 10
#define TL_CHANNELS 7 /* x, y; fix less position; residual; walking velocity */
#define TL_STUDENT_INPUTS (TL_HISTORY * TL_CHANNELS + 2)
#define TL_STUDENT_OUTPUTS 4 /* displacement x, y; logarithms of two variances */

typedef struct {
    float centre[2], per_half; /* of the absolute position: (position - centre) * per_half */
} tl_student_t;

typedef struct {
    float position[2];  /* m */
    float variance;     /* of it, each axis, m^2 */
    float fix_variance; /* of the fix that will come, each axis, m^2 */
} tl_forecast_t;

/* `rows` is a ring of the last epochs whose oldest is `oldest`; the arena is scratch. */
void tl_student_forecast(const tl_student_t *student, tl_model_arena_t *arena,
                         const float rows[TL_HISTORY][TL_CHANNELS], uint8_t oldest, tl_forecast_t *out);

#endif
