"""Several readings of one access point within a sample: the fast form equals a plain one; own data choose the rule."""

import statistics
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tinyloc.bundle.combine import Combine, combine_readings
from tinyloc.training.data import catalogue
from tinyloc.training.inputs import fitted
from tinyloc.training.recipe import InputSettings


def plain(rule: Combine, readings: list[float]) -> float:
    """One access point, one sample; Python rounds halves to the even number."""
    if rule == "mean":
        return round(statistics.fmean(readings))
    return max(readings) if rule == "max" else readings[-1]


@pytest.mark.parametrize("rule", get_args(Combine))
def test_it_equals_the_plain_form(rule: Combine) -> None:
    chance = np.random.default_rng(5)
    sample, point = chance.integers(0, 6, 200), chance.integers(0, 7, 200)
    dbm = chance.integers(-100, -30, 200).astype(float)
    found, count = combine_readings(rule, sample, point, dbm, (7, 8))
    for n in range(7):
        for p in range(8):
            here = dbm[(sample == n) & (point == p)].tolist()
            assert count[n, p] == len(here)
            assert found[n, p] == plain(rule, here) if here else np.isnan(found[n, p])


def test_halves_go_to_the_even_dbm() -> None:
    found, _ = combine_readings(
        "mean", np.zeros(4, int), np.array([0, 0, 1, 1]), np.array([-60.0, -61, -61, -62]), (1, 2)
    )
    assert found.tolist() == [[-60, -62]]


@pytest.mark.parametrize(("rule", "first"), [("mean", -60), ("max", -50), ("last", -50), (None, -60)])
def test_own_long_tables_are_combined_as_they_say(rule: str | None, first: float, tmp_path: Path) -> None:
    """The file is not in the order of its times: of ap1 -70 came first."""
    rows = [f"{scan},{scan}.{time},ap1,{dbm},{room}" for scan in range(20) for time, dbm in ((5, -50), (1, -70))
            for room in [f"room {scan % 2}"]]  # fmt: skip
    rows += [f"{scan},{scan}.7,ap2,-80,room {scan % 2}" for scan in range(20)]
    (tmp_path / "scans.csv").write_text("scan,time,ap,dbm,room\n" + "\n".join(rows) + "\n")
    combine = f'combine = "{rule}"\n' if rule else ""
    (tmp_path / "data.toml").write_text(
        f'name = "x"\nlicence = "l"\nfile = "scans.csv"\nsequential = false\n{combine}[columns]\nlabel = "room"\n'
        'access_point = "ap"\ndbm = "dbm"\nscan = "scan"\ntime = "time"\n'
    )
    data_set = catalogue.load("csv", {}, tmp_path / "data.toml")
    assert data_set.train[0].rssi_dbm[0].tolist() == [first, -80]
    assert data_set.combine == (rule or "mean")
    assert fitted(InputSettings(), data_set).combine == (rule or "mean")
