"""The evaluation protocol: figures, paired intervals by whole units, simple methods; versions that freeze it."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tinyloc.bundle.comparison import EVALUATION, SIMULATOR, SPLITS
from tinyloc.bundle.schema import Preprocessing, Window
from tinyloc.bundle.site import Floor
from tinyloc.training import metrics
from tinyloc.training.data import house
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.data.radio import WEARERS
from tinyloc.training.data.radio_map.splits import Keys, Units, hold_out
from tinyloc.training.protocol import neighbours
from tinyloc.training.protocol.baselines import COMMONEST, NEIGHBOURS, TREES, compare, methods
from tinyloc.training.protocol.bootstrap import differences, draws, intervals
from tinyloc.training.protocol.figures import Decisions, figures, judged, weighted
from tinyloc.training.protocol.units import units_of
from tinyloc.training.protocol.votes import Split

NAN = np.nan
EACH = Window(steps=1, hop=1, rate_hz=1.0)


def some_decisions(count: int = 80) -> Decisions:
    generator = np.random.default_rng(3)
    error = generator.gamma(2.0, 3.0, count)
    error[5] = NAN
    return Decisions(
        generator.integers(-1, 4, count),
        generator.integers(0, 4, count),
        error,
        generator.integers(0, 2, count).astype(float),
        generator.integers(0, 2, count).astype(float),
    )


def test_weights_give_what_repeated_rows_give() -> None:
    found = some_decisions()
    unit = np.arange(80) // 7
    counts = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), 6)
    fast = weighted(found, counts, unit)
    for draw, times in enumerate(counts):
        repeated = found.rows(np.repeat(np.arange(80), times[unit]))
        slow = {
            "macro_f1": metrics.macro_f1(repeated.label, repeated.decision),
            "accuracy": (repeated.label == repeated.decision).mean(),
            "error_mean_m": np.nanmean(repeated.error_m),
            **{f"error_p{p}_m": np.nanpercentile(repeated.error_m, p) for p in (50, 75, 90)},
            "floor_hit": repeated.floor.mean(),
            "building_hit": repeated.building.mean(),
            "evaal_m": np.nanmean(repeated.error_m + 4 * (1 - repeated.floor) + 50 * (1 - repeated.building)),
        }
        assert {name: values[draw] for name, values in fast.items()} == pytest.approx(slow)


def test_floors_and_buildings_are_judged_by_the_classes_and_unseen_ones_do_not_count() -> None:
    floors = [
        Floor(name="B0 F0", building="B0"),
        Floor(name="B0 F1", building="B0"),
        Floor(name="B1 F0", building="B1"),
    ]
    label, decision = np.array([0, 1, 2, 0, UNSEEN]), np.array([0, 2, 2, 3, 1])
    place = np.zeros((5, 3))
    found = figures(judged(label, decision, place + np.array([3, 4, 0]), place, [0, 0, 1, 2], floors))
    assert found["floor_hit"] == 0.5 and found["building_hit"] == 0.75
    assert found["evaal_m"] == pytest.approx(5 + (2 * 4 + 50) / 4)
    assert not {"floor_hit", "evaal_m"} & figures(judged(label, decision, place, place, [0, 0, 0, 0], floors)).keys()


def test_intervals_are_wider_by_units_than_by_samples_and_paired_ones_find_small_differences() -> None:
    generator = np.random.default_rng(0)
    unit = np.repeat(np.arange(8), 50)
    hard = generator.gamma(2.0, 2.0, 8)[unit] + generator.gamma(1.0, 0.2, 400)
    label = np.zeros(400, int)
    one, other = (Decisions(label, label, hard + shift) for shift in (0.0, 0.1))
    low, high = intervals(one, unit)["error_mean_m"]
    narrow = intervals(one, np.arange(400))["error_mean_m"]
    assert high - low > 3 * (narrow[1] - narrow[0])
    difference = differences(one, other, unit)["error_mean_m"]
    assert difference.clear and difference.mean == pytest.approx(-0.1) and high - low > 1
    assert not differences(one, one, unit)["error_mean_m"].clear


def test_narrow_integers_count_as_wide_ones() -> None:
    generator = np.random.default_rng(2)
    label, unit = generator.integers(0, 700, 900), np.arange(900) // 3
    wide = intervals(Decisions(label, np.roll(label, 5)), unit)
    assert (
        intervals(Decisions(label.astype(np.int16), np.roll(label, 5).astype(np.int16)), unit.astype(np.int16)) == wide
    )


def test_draws_are_whole_units() -> None:
    assert (draws(7).sum(axis=1) == 7).all() and np.array_equal(draws(7), draws(7))


def recording(name: str, count: int, apart: bool = False, recorder: list[int] | None = None) -> Recording:
    place = np.tile(np.arange(count, dtype=np.float32)[:, None] // 2, 3)
    return Recording(
        name,
        np.full((count, 2), -60, np.float32),
        place,
        np.zeros(count, np.int32),
        np.arange(count, dtype=float),
        apart,
        None if recorder is None else np.array(recorder, np.int32),
    )


@pytest.mark.parametrize(
    ("recordings", "kind", "count"),
    [
        ([recording("a", 12, recorder=[0, 1, 2, 3, 4, 4] * 2)], "recorder", 5),
        ([recording(str(number), 4) for number in range(6)], "recording", 6),
        ([recording("a", 12, apart=True, recorder=[0, 1] * 6)], "place", 6),
        ([replace(recording("a", 12, apart=True), position_m=np.full((12, 3), NAN, np.float32))], "sample", 12),
        ([recording("a", 100), recording("b", 60)], "stretch", 20),
    ],
)
def test_the_coarsest_units_of_which_there_are_enough(recordings: list[Recording], kind: str, count: int) -> None:
    found = units_of(recordings)
    assert (found.kind, found.count) == (kind, count)
    assert sorted(set(found.of.tolist())) == list(range(count))


def random_split(count: int, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    readings = generator.integers(-95, -30, (count, 9)).astype(np.float32)
    readings[generator.random(readings.shape) < 0.6] = NAN
    label = generator.integers(0, 3, count).astype(np.int32)
    place = generator.normal(size=(count, 3)).astype(np.float32)
    return Split(readings, label, place, label.astype(np.int64), 3, place[:3], np.arange(3))


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "braycurtis"])
def test_sparse_distances_are_those_of_scipy(metric: neighbours.Metric) -> None:
    stored, asked = random_split(60, 1), random_split(20, 2)
    rule = Preprocessing(access_points=[f"ap{n}" for n in range(9)], floor_dbm=-96, ceiling_dbm=-30, exponent=2.0)
    near, away = neighbours._nearest(stored, asked, rule, 2.0, [metric], 7)[metric]
    slow = np.nan_to_num(cdist(*(rule.scale(s.rssi_dbm).astype(float) for s in (asked, stored)), metric), nan=1.0)
    assert np.allclose(away, np.sort(slow, axis=1)[:, :7], atol=1e-7)  # a root takes half of the digits of zero
    assert np.allclose(np.take_along_axis(slow, near, axis=1), away, atol=1e-7)


def test_baselines_of_a_simulated_house_learn_and_the_commonest_class_does_not() -> None:
    data = house.load("house-a", training_walks=1, living_recordings=1, living_minutes=1.0)
    window = Window(steps=10, hop=5, rate_hz=data.rate_hz)
    found = compare(data, 0, window, False, None)
    by_name = {baseline.name: baseline for baseline in found.baselines}
    assert found.unit == "stretch" and found.protocol.simulator == SIMULATOR
    for name in (NEIGHBOURS, TREES):
        assert by_name[name].figures["accuracy"] > by_name[COMMONEST].figures["accuracy"]
        assert by_name[name].data_bytes > 10 * by_name[COMMONEST].data_bytes + 1000
        low, high = by_name[name].intervals["macro_f1"]
        assert low <= by_name[name].figures["macro_f1"] <= high
    assert methods(data, 0, window, False) is methods(data, 0, window, False)


def test_positions_are_means_of_neighbours_and_trees_regress_them() -> None:
    generator = np.random.default_rng(5)
    anchors = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], float)

    def walk(count: int) -> Recording:
        place = generator.uniform(0, 10, (count, 2))
        away = np.linalg.norm(place[:, None] - anchors, axis=2)
        label = (place[:, 0] > 5).astype(np.int32)
        full = np.hstack([place, np.zeros((count, 1))]).astype(np.float32)
        return Recording("r", np.rint(-40 - 4 * away).astype(np.float32), full, label, np.arange(count) * 1.0, True)

    data = DataSet(
        "square", "square", "CC0", "", ("a", "b", "c", "d"), ("west", "east"),
        np.array([[2.5, 5, 0], [7.5, 5, 0]], np.float32), 1.0, False, (walk(300),), (walk(60),), (walk(60),),
    )  # fmt: skip
    near, forest, commonest = methods(data, 0, EACH, True)
    assert figures(near.found)["error_mean_m"] < 0.8 and figures(forest.found)["error_mean_m"] < 1.0
    assert figures(commonest.found)["error_mean_m"] > 3.0


FROZEN = {
    "evaluation": (1, "7fe71fcd"),
    "simulator": (1, "64f3b0df"),
    "simulator 2": (2, "9e3e9eb1"),
    "splits": (2, "829ff43a"),
}


def simulated(version: int) -> str:
    data = house.load("house-b", training_walks=1, living_recordings=1, living_minutes=0.5, simulator=version)
    readings = [recording.rssi_dbm for split in data.splits.values() for recording in split]
    return repr(np.concatenate(readings).tolist())


def test_the_protocol_is_frozen() -> None:
    """Figures of the same data change: raise the version of what changed, then its digest here."""
    decisions = some_decisions()
    ends = {name: np.round(end, 4).tolist() for name, end in intervals(decisions, np.arange(80) // 7).items()}
    figure = {name: round(value, 4) for name, value in figures(decisions).items()}
    units = Units("recorder", np.arange(200) // 10)
    held = hold_out(units, Keys(np.arange(200) % 7, 0.0), 0.2, 2, np.random.default_rng(0))
    made = {"evaluation": repr((figure, ends)), "simulator": simulated(1), "simulator 2": simulated(2),
            "splits": repr(held.tolist())}  # fmt: skip
    versions = {"evaluation": EVALUATION, "simulator": SIMULATOR, "simulator 2": max(WEARERS), "splits": SPLITS}
    assert {
        name: (versions[name], hashlib.sha256(text.encode()).hexdigest()[:8]) for name, text in made.items()
    } == FROZEN
