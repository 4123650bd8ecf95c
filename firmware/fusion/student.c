#include "fusion/student.h"

#include "fusion/real.h"

/* int16 inputs and outputs of the network, as training/fusion/students/quantised.py has them */
#define INPUT_LIMIT 4.0f
#define STEPS_PER_UNIT (8191.0f / 4.0f)
#define OUTPUT_STEP (8.0f / 32767.0f)
#define LOG_LOW (-6.0f)
#define LOG_HIGH 5.0f

static const float per_channel[TL_CHANNELS] = {1.0f, 1.0f, 0.5f, 0.5f, 1.0f, 1.0f, 1.0f};

/* Half away from zero. */
static int16_t quantised(float value) {
    float steps = tl_clip(value, -INPUT_LIMIT, INPUT_LIMIT) * STEPS_PER_UNIT;
    return (int16_t)(steps + (steps < 0.0f ? -0.5f : 0.5f));
}

static float variance(int16_t output) {
    return tl_exp(tl_clip((float)output * OUTPUT_STEP, LOG_LOW, LOG_HIGH));
}

void tl_student_forecast(const tl_student_t *student, tl_model_arena_t *arena,
                         const float rows[TL_HISTORY][TL_CHANNELS], uint8_t oldest, tl_forecast_t *out) {
    TL_ALIGNED int16_t x[TL_STUDENT_INPUTS];
    TL_ALIGNED int16_t y[TL_STUDENT_OUTPUTS];
    const float *newest = rows[oldest ? oldest - 1 : TL_HISTORY - 1];
    unsigned place = 0;
    for (unsigned age = 0; age < TL_HISTORY; age++) {
        unsigned row = oldest + age;
        const float *values = rows[row < TL_HISTORY ? row : row - TL_HISTORY];
        for (unsigned c = 0; c < TL_CHANNELS; c++) {
            x[place++] = quantised((c < 2 ? values[c] - newest[c] : values[c]) * per_channel[c]);
        }
    }
    for (unsigned c = 0; c < 2; c++) {
        x[place++] = quantised((newest[c] - student->centre[c]) * student->per_half);
    }
    tl_model_run(arena, x, y);
    out->position[0] = newest[0] + (float)y[0] * OUTPUT_STEP;
    out->position[1] = newest[1] + (float)y[1] * OUTPUT_STEP;
    out->variance = variance(y[2]);
    out->fix_variance = variance(y[3]);
}
