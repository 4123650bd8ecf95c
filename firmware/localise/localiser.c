#include "localise/localiser.h"

#include "localise/position.h"
#include "localise/viterbi.h"

TL_STATIC_ASSERT(access_points_are_indexed_by_16_bits, TL_INPUTS >= 1 && TL_INPUTS <= 65535);
TL_STATIC_ASSERT(a_class_is_sent_as_int16, TL_CLASSES >= 2 && TL_CLASSES <= 32767);
TL_STATIC_ASSERT(samples_are_counted_by_16_bits, TL_WINDOW >= 1 && TL_WINDOW <= 65535 && TL_HOP >= 1 && TL_HOP <= 65535);
TL_STATIC_ASSERT(held_samples_are_counted_by_8_bits, TL_HOLD >= 0 && TL_HOLD <= 254);
TL_STATIC_ASSERT(a_lag_needs_a_crf_and_two_samples, !TL_ONLINE || (TL_CRF && TL_WINDOW >= 2));

#if TL_POSITION && TL_WINDOW != 1
#error "a position is of one sample's scores"
#endif

/// Input ///

static tl_input_t quantise(int8_t dbm) {
    return tl_rssi_table[(uint8_t)(dbm + 128)];
}

#if !TL_SPARSE || TL_HOLD > 0
static void clear(tl_localiser_t *localiser) {
    const tl_input_t silent = TL_INPUT_ZERO;
    for (uint16_t i = 0; i < TL_INPUTS; i++) {
        localiser->input[i] = silent;
    }
}
#endif

/* Room for the readings of a new scan; gives the count of entries so far. */
static void begin(tl_localiser_t *localiser) {
#if !TL_SPARSE && TL_HOLD == 0
    clear(localiser);
#else
    (void)localiser;
#endif
}

/* Note the reading of one heard access point, the `position`th of the scan. */
static void hear(tl_localiser_t *localiser, uint16_t position, uint16_t index, int8_t dbm) {
#if TL_SPARSE && TL_HOLD == 0
    localiser->entries[position] = (tl_entry_t){.index = index, .value = quantise(dbm)};
#else
    (void)position;
    localiser->input[index] = quantise(dbm);
#endif
#if TL_HOLD > 0
    localiser->left[index] = TL_HOLD + 1;
#endif
}

/* Forward fill: a silent access point keeps its last reading for TL_HOLD further samples. Gives the count of access
 * points that count, for sparse models that of entries. */
static uint16_t fill(tl_localiser_t *localiser, uint16_t heard) {
#if TL_HOLD > 0
    heard = 0;
    const int32_t inputs = TL_INPUT_COUNT;
    const tl_input_t silent = TL_INPUT_ZERO;
    for (uint16_t i = 0; i < inputs; i++) {
        if (localiser->left[i] == 0) {
            localiser->input[i] = silent;
            continue;
        }
        localiser->left[i]--;
#if TL_SPARSE
        localiser->entries[heard] = (tl_entry_t){.index = i, .value = localiser->input[i]};
#endif
        heard++;
    }
#else
    (void)localiser;
#endif
    return heard;
}

/// Decision ///

#if !TL_CRF
static uint16_t best_class(const tl_score_t *scores) {
    const int32_t classes = TL_CLASS_COUNT;
    uint16_t best = 0;
    for (uint16_t c = 1; c < classes; c++) {
        if (scores[c] > scores[best]) {
            best = c;
        }
    }
    return best;
}
#endif

/* Keep the sample's scores for the window; as much of them as the decision needs. */
static void remember(tl_localiser_t *localiser, const tl_score_t *scores) {
#if TL_ONLINE
    tl_online_add(&localiser->online, scores);
#elif TL_CRF
    const int32_t classes = TL_CLASS_COUNT;
    for (uint16_t c = 0; c < classes; c++) {
        localiser->scores[localiser->head][c] = scores[c];
    }
#elif TL_WINDOW > 1
    localiser->winners[localiser->head] = best_class(scores);
#else
    (void)scores;
#endif
    localiser->head = (uint16_t)(localiser->head + 1u == TL_WINDOW ? 0u : localiser->head + 1u);
}

static uint16_t decide(tl_localiser_t *localiser, const tl_score_t *scores) {
#if TL_ONLINE
    (void)scores;
    return tl_online_decide(&localiser->online);
#elif TL_CRF
    (void)scores;
    return tl_viterbi_mode(&localiser->scores[0][0], localiser->head, &localiser->margin);
#elif TL_WINDOW > 1
    (void)scores;
    uint16_t votes[TL_CLASSES] = {0};
    for (uint16_t t = 0; t < TL_WINDOW; t++) {
        votes[localiser->winners[t]]++;
    }
    return tl_mode(votes);
#else
    (void)localiser;
    return best_class(scores);
#endif
}

static void step(tl_localiser_t *localiser, tl_model_arena_t *arena, uint16_t heard, tl_estimate_t *out) {
    heard = fill(localiser, heard);
    out->heard = heard;
#if TL_SPARSE
    tl_model_step(&localiser->model, arena, localiser->entries, heard, out->scores);
#else
    tl_model_step(&localiser->model, arena, localiser->input, out->scores);
#endif
    remember(localiser, out->scores);
    out->class_index = -1;
    localiser->until--;
    if (localiser->until == 0) {
        localiser->until = TL_HOP;
        out->class_index = decide(localiser, out->scores);
#if TL_POSITION
        tl_position_mean(out->scores, out->position_mm);
#endif
    }
}

/// Interface ///

void tl_localiser_init(tl_localiser_t *localiser) {
    tl_model_init(&localiser->model);
#if !TL_SPARSE || TL_HOLD > 0
    clear(localiser);
#endif
#if TL_HOLD > 0
    for (uint16_t i = 0; i < TL_INPUTS; i++) {
        localiser->left[i] = 0;
    }
#endif
#if TL_ONLINE
    tl_online_init(&localiser->online);
#endif
    localiser->head = 0;
    localiser->until = TL_WINDOW;
}

tl_status_t tl_localiser_check(const tl_reading_t *readings, uint16_t count, uint16_t *position) {
    const int32_t inputs = TL_INPUT_COUNT;
    int32_t last = -1;
    for (uint16_t i = 0; i < count; i++) {
        *position = i;
        if (readings[i].index >= inputs) {
            return TL_ERR_INDEX;
        }
        if (readings[i].index <= last) {
            return TL_ERR_ORDER;
        }
        if (readings[i].dbm == TL_MISSING_DBM) {
            return TL_ERR_VALUE;
        }
        last = readings[i].index;
    }
    return TL_OK;
}

tl_status_t tl_localiser_sample(tl_localiser_t *localiser, tl_model_arena_t *arena, const tl_reading_t *readings,
                                uint16_t count, tl_estimate_t *out) {
    uint16_t position;
    tl_status_t status = tl_localiser_check(readings, count, &position);
    if (status != TL_OK) {
        return status;
    }
    begin(localiser);
    for (uint16_t i = 0; i < count; i++) {
        hear(localiser, i, readings[i].index, readings[i].dbm);
    }
    step(localiser, arena, count, out);
    return TL_OK;
}

void tl_localiser_sample_dense(tl_localiser_t *localiser, tl_model_arena_t *arena, const int8_t *dbm,
                               tl_estimate_t *out) {
    begin(localiser);
    const int32_t inputs = TL_INPUT_COUNT;
    uint16_t heard = 0;
    for (uint16_t i = 0; i < inputs; i++) {
        if (dbm[i] != TL_MISSING_DBM) {
            hear(localiser, heard, i, dbm[i]);
            heard++;
        }
    }
    step(localiser, arena, heard, out);
}

#if TL_SCAN && TL_SPARSE && TL_HOLD == 0
void tl_localiser_heard(tl_localiser_t *localiser, tl_model_arena_t *arena, uint16_t count, tl_estimate_t *out) {
    for (uint16_t i = 0; i < count; i++) {
        localiser->entries[i].value = quantise((int8_t)localiser->entries[i].value);
    }
    step(localiser, arena, count, out);
}
#endif
