"""Statistics of readings: known inputs, and the table of docs/reference/data.md."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.data import catalogue, house
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.data.radio_statistics import RadioStatistics, radio_statistics

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "data.md"


def recording(rssi: np.ndarray, apart: bool = False, position: float = 0.5) -> Recording:
    samples = len(rssi)
    place = np.full((samples, 3), position, np.float32)
    label = np.zeros(samples, np.int32)
    return Recording("walk", rssi.astype(np.float32), place, label, np.arange(samples) / 3, apart)


def test_white_noise_at_one_place_has_its_deviation_and_no_autocorrelation() -> None:
    rssi = -70 + 4 * np.random.default_rng(1).standard_normal((20_000, 1))
    rssi[::5] = np.nan
    found = radio_statistics([recording(rssi)], 3.0)
    assert found is not None and found.step_db and found.residual_db and found.autocorrelation is not None
    assert found.level_dbm == pytest.approx(-70, abs=0.1)
    assert found.missing == 0.2
    assert found.residual_db == pytest.approx(4, rel=0.02)
    assert found.step_db == pytest.approx(4 * math.sqrt(2), rel=0.02)
    assert abs(found.autocorrelation) < 0.03


def test_a_step_never_spans_two_recordings() -> None:
    quiet, loud = (recording(np.full((50, 1), level)) for level in (-90.0, -40.0))
    found = radio_statistics([quiet, loud], 3.0)
    assert found is not None and found.step_db == 0


def test_samples_that_stand_apart_have_no_steps() -> None:
    rssi = -70 + np.random.default_rng(2).standard_normal((50, 2))
    found = radio_statistics([recording(rssi, apart=True)], 3.0)
    assert found is not None
    assert (found.step_db, found.autocorrelation) == (None, None)


def test_without_positions_there_is_no_residual() -> None:
    rssi = -70 + np.random.default_rng(3).standard_normal((50, 2))
    found = radio_statistics([recording(rssi, position=math.nan)], 3.0)
    assert found is not None
    assert (found.residual_db, found.autocorrelation) == (None, None)


def test_silence_has_no_statistics() -> None:
    assert radio_statistics([recording(np.full((9, 2), math.nan))], 3.0) is None


def test_the_table_of_the_page_is_what_the_data_give() -> None:
    section = PAGE.read_text().split("## A simulated house beside a real flat")[1].split("\n## ")[0]
    rows = [
        [float(figure) for figure in re.findall(r"(-?[\d.]+)(?: dBm| dB| %)? \|", line)]
        for line in section.splitlines()
        if line.startswith("|") and "house-a" not in line and "---" not in line
    ]
    columns = list(zip(*rows, strict=True))
    assert columns[1] == figures(house.load("house-a"))
    assert columns[2] == figures(house.load("house-a", channel="flat"))
    if catalogue.find("ble_flat_kolakowski") is None:
        pytest.skip("ble_flat_kolakowski is not on this machine: tinyloc data get ble_flat_kolakowski")
    assert columns[0] == figures(catalogue.load("ble_flat_kolakowski"))


def figures(data: DataSet) -> tuple[float, ...]:
    found = radio_statistics(data.train, data.rate_hz)
    assert isinstance(found, RadioStatistics) and found.step_db and found.residual_db and found.autocorrelation
    return (
        round(found.level_dbm, 1),
        float(f"{100 * found.missing:.1f}"),
        round(found.step_db, 1),
        round(found.residual_db, 1),
        round(found.autocorrelation, 2),
    )
