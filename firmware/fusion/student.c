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

/* Four outputs at a time share each load of an input; weights (outputs, inputs). */
static void four(const int8_t *weights, const int16_t *x, unsigned inputs, int32_t sums[4]) {
    const int8_t *w0 = weights, *w1 = w0 + inputs, *w2 = w1 + inputs, *w3 = w2 + inputs;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (unsigned i = 0; i < inputs; i++) {
        int32_t value = x[i];
        s0 += w0[i] * value;
        s1 += w1[i] * value;
        s2 += w2[i] * value;
        s3 += w3[i] * value;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* `outputs` is a multiple of four. */
static void layer(const tl_student_layer_t *layer, const int16_t *x, int16_t *out, float *last) {
    for (unsigned o = 0; o < layer->outputs; o += 4) {
        int32_t sums[4] = {layer->bias[o], layer->bias[o + 1], layer->bias[o + 2], layer->bias[o + 3]};
        four(&layer->weights[o * layer->inputs], x, layer->inputs, sums);
        for (unsigned n = 0; n < 4; n++) {
            float real = (float)sums[n] * layer->scale[o + n];
            if (layer->per_step > 0.0f) {
                out[o + n] = rounded(tl_clip(real * layer->per_step, 0.0f, 32766.5f));
            } else {
                last[o + n] = real;
            }
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
