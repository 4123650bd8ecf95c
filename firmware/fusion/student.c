#include "fusion/student.h"

#include "fusion/real.h"

#define INPUT_LIMIT 4.0f
#define STEPS_PER_UNIT (8191.0f / 4.0f)
#define LOG_LOW (-6.0f)
#define LOG_HIGH 5.0f

static const float per_channel[TL_CHANNELS] = {1.0f, 1.0f, 0.5f, 0.5f, 1.0f, 1.0f, 1.0f};

/* Half away from zero; the caller bounds the value. */
static int16_t rounded(float value) {
    return (int16_t)(value + (value < 0.0f ? -0.5f : 0.5f));
}

static int16_t quantised(float value) {
    return rounded(tl_clip(value, -INPUT_LIMIT, INPUT_LIMIT) * STEPS_PER_UNIT);
}

static int32_t dot(const int8_t *weights, const int16_t *x, unsigned count, int32_t sum) {
    for (unsigned i = 0; i < count; i++) {
        sum += (int32_t)weights[i] * x[i];
    }
    return sum;
}

static void layer(const tl_student_layer_t *layer, const int16_t *x, int16_t *out, float *last) {
    for (unsigned o = 0; o < layer->outputs; o++) {
        int32_t sum = dot(&layer->weights[o * layer->inputs], x, layer->inputs, layer->bias[o]);
        float real = (float)sum * layer->scale[o];
        if (layer->per_step > 0.0f) {
            out[o] = rounded(tl_clip(real * layer->per_step, 0.0f, 32766.5f));
        } else {
            last[o] = real;
        }
    }
}

void tl_student_forecast(const tl_student_t *student, const float rows[TL_HISTORY][TL_CHANNELS], uint8_t oldest,
                         tl_forecast_t *out) {
    int16_t one[TL_STUDENT_WIDEST], two[TL_STUDENT_WIDEST];
    const float *newest = rows[oldest ? oldest - 1 : TL_HISTORY - 1];
    int16_t *x = one, *next = two;
    float real[4];
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
    for (unsigned l = 0; l < student->count; l++) {
        layer(&student->layers[l], x, next, real);
        int16_t *done = x;
        x = next;
        next = done;
    }
    out->position[0] = newest[0] + real[0];
    out->position[1] = newest[1] + real[1];
    out->variance = tl_exp(tl_clip(real[2], LOG_LOW, LOG_HIGH));
    out->fix_variance = tl_exp(tl_clip(real[3], LOG_LOW, LOG_HIGH));
}
