#include "localise/scan.h"

#include "localise/margin.h"
#include "localise/position.h"

#if TL_SCAN

#if TL_SPARSE && TL_HOLD == 0
/* Where the access point stands among those heard; `count` when it is new. */
static uint16_t find(const tl_context_t *context, uint16_t access_point)
{
    const uint32_t bit = 1u << (access_point & 7u);
    if ((context->seen[access_point >> 3] & bit) == 0u) {
        return context->count;
    }
    uint16_t at = 0;
    while (context->localiser.entries[at].index != access_point) {
        at++;
    }
    return at;
}

static void note(tl_context_t *context, uint16_t access_point, uint16_t at, int8_t dbm)
{
    context->seen[access_point >> 3] = (uint8_t)(context->seen[access_point >> 3] | (1u << (access_point & 7u)));
    context->localiser.entries[at].index = access_point;
    context->localiser.entries[at].value = dbm;
}
#else
static uint16_t find(const tl_context_t *context, uint16_t access_point)
{
    (void)context;
    return access_point;
}

static void note(tl_context_t *context, uint16_t access_point, uint16_t at, int8_t dbm)
{
    (void)at;
    context->dbm[access_point] = dbm;
}
#endif

static int is_new(const tl_context_t *context, uint16_t at)
{
#if TL_SPARSE && TL_HOLD == 0
    return at == context->count;
#else
    return context->dbm[at] == TL_MISSING_DBM;
#endif
}

#if TL_COMBINE == TL_COMBINE_MAX
static int32_t noted(const tl_context_t *context, uint16_t at)
{
#if TL_SPARSE && TL_HOLD == 0
    return context->localiser.entries[at].value;
#else
    return context->dbm[at];
#endif
}
#endif

#if TL_COMBINE == TL_COMBINE_MEAN
/* sum / times to the nearest, halves to the even one, as training combines (tinyloc/bundle/combine.py) */
static int8_t mean_of(int32_t sum, int32_t times)
{
    int32_t whole = sum / times; /* towards zero */
    const int32_t twice = 2 * (sum - whole * times);
    const int32_t size = twice < 0 ? -twice : twice;
    if (size > times || (size == times && (whole & 1) != 0)) {
        whole += twice < 0 ? -1 : 1;
    }
    return (int8_t)whole;
}
#endif

void tl_begin_scan(tl_context_t *context)
{
    context->count = 0;
    context->ignored = 0;
#if TL_SPARSE && TL_HOLD == 0
    for (uint16_t i = 0; i < (TL_INPUTS + 7) / 8; i++) {
        context->seen[i] = 0;
    }
#else
    for (uint16_t i = 0; i < TL_INPUTS; i++) {
        context->dbm[i] = TL_MISSING_DBM;
    }
#endif
}

void tl_init(tl_context_t *context)
{
    context->least_heard = TL_LEAST_HEARD;
    context->least_margin = TL_LEAST_MARGIN;
    tl_localiser_init(&context->localiser);
    tl_begin_scan(context);
}

void tl_hear(tl_context_t *context, uint16_t access_point, int8_t dbm)
{
    if (access_point >= TL_INPUTS || dbm == TL_MISSING_DBM) {
        context->ignored = (uint16_t)(context->ignored < 65535u ? context->ignored + 1u : 65535u);
        return;
    }
    const uint16_t at = find(context, access_point);
    if (is_new(context, at)) {
        note(context, access_point, at, dbm);
        context->count++;
#if TL_COMBINE == TL_COMBINE_MEAN
        context->sum[at] = dbm;
        context->times[at] = 1;
#endif
        return;
    }
#if TL_COMBINE == TL_COMBINE_LAST
    note(context, access_point, at, dbm);
#elif TL_COMBINE == TL_COMBINE_MAX
    if (dbm > noted(context, at)) {
        note(context, access_point, at, dbm);
    }
#else
    /* the sum of 255 readings fits 16 bits; later ones change a mean by nothing that counts */
    if (context->times[at] < 255u) {
        context->sum[at] = (int16_t)(context->sum[at] + dbm);
        context->times[at]++;
        note(context, access_point, at, mean_of(context->sum[at], context->times[at]));
    }
#endif
}

tl_outcome_t tl_end_scan(tl_context_t *context, tl_decision_t *out)
{
    tl_estimate_t *const sample = &out->sample;
    out->ignored = context->ignored;
#if TL_SPARSE && TL_HOLD == 0
    tl_localiser_heard(&context->localiser, &context->arena, context->count, sample);
#else
    tl_localiser_sample_dense(&context->localiser, &context->arena, context->dbm, sample);
#endif
    tl_begin_scan(context);
    out->heard = sample->heard;
    out->margin = tl_margin(&context->localiser, sample);
    const int decided =
        sample->class_index >= 0 && out->heard >= context->least_heard && out->margin >= context->least_margin;
    out->outcome = sample->class_index < 0 ? TL_PENDING : decided ? TL_DECIDED : TL_UNKNOWN;
    out->class_index = decided ? sample->class_index : -1;
#if TL_POSITION
    out->position_mm[0] = decided ? sample->position_mm[0] : 0;
    out->position_mm[1] = decided ? sample->position_mm[1] : 0;
    out->spread_mm = decided ? tl_position_spread(sample->scores, sample->position_mm) : 0;
#endif
    return out->outcome;
}

tl_status_t tl_sample(tl_context_t *context, const tl_reading_t *readings, uint16_t count, tl_estimate_t *out)
{
    return tl_localiser_sample(&context->localiser, &context->arena, readings, count, out);
}

void tl_sample_dense(tl_context_t *context, const int8_t *dbm, tl_estimate_t *out)
{
    tl_localiser_sample_dense(&context->localiser, &context->arena, dbm, out);
}

#endif
