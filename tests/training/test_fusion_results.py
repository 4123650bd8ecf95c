"""The committed results: the committed student and settings give the committed figures."""

from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.scores import errors, score
from tinyloc.training.fusion.filters.tuning import track
from tinyloc.training.fusion.simulation.buildings import building
from tinyloc.training.fusion.simulation.field import simulate_field
from tinyloc.training.fusion.simulation.range_errors import load_errors
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import site
from tinyloc.training.fusion.students.student_files import load_student
from tinyloc.training.fusion.study.field import WalkRow, rmse, walk_errors
from tinyloc.training.fusion.study.field_table import (
    field_table,
    forecast_table,
    goals,
    over_walks_and_seeds,
    ratios,
    verdict,
)
from tinyloc.training.fusion.study.field_walks import TEST
from tinyloc.training.fusion.study.range_comparison import range_table
from tinyloc.training.fusion.study.study import TEST_SEED, StudyRecord
from tinyloc.training.fusion.study.table import draw, load_field, load_records, tables

RESULTS = Path(__file__).resolve().parents[2] / "results" / "fusion"


@pytest.mark.parametrize("name", ["corridor", "loop"])
def test_the_figures_come_again(name: str) -> None:
    record = StudyRecord.model_validate_json((RESULTS / f"{name}.json").read_text())
    student = load_student(RESULTS / f"{name}-student.json")
    batch = prepare([simulate(site(name), TEST_SEED + i) for i in range(2)])
    for method in ("fixed", "gated", "adaptive", "variance", "steered"):
        found = track(batch, record.tuned[method], student)
        walks = errors(found.position_m, batch.truth_m, found.started & batch.valid)
        rmse = [float(np.sqrt((e * e).mean())) for e in walks]
        assert rmse == pytest.approx(record.scores[method].rmse_of_walk[:2], abs=2e-3), method


def test_tables_show_every_method_and_goal(tmp_path: Path) -> None:
    text = tables(RESULTS)
    records, real = load_records(RESULTS)
    assert len(records) == 2 and real is not None
    for record in records:
        assert f"{record.scores['steered'].rmse.mean:.2f} [" in text
        assert record.student_bytes <= 12 * 1024 and record.settings.test_walks >= 20
    assert sum(line.endswith("reached |") for line in text.splitlines()) >= 8
    assert all(row.name in text for row in real.rows)
    names = [f"{site}-{what}.svg" for site in ("corridor", "loop") for what in ("errors", "walk")] + ["ranges.svg"]
    assert [path.name for path in draw(RESULTS, tmp_path)] == names


def test_no_results_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match="tinyloc fusion run"):
        tables(tmp_path)
    (tmp_path / "loop.json").write_text("{}")
    with pytest.raises(FusionError, match="not results of this version"):
        tables(tmp_path)


def test_a_score_by_hand() -> None:
    found = score([np.array([9.0, 3.0, 4.0]), np.array([9.0, 0.0, 0.0])], rate_hz=1 / 3)
    assert found.rmse.mean == pytest.approx((np.sqrt(106 / 3) + np.sqrt(27)) / 2, abs=1e-3)
    assert found.maximum.mean == 9.0 and found.settled is not None and found.settled.mean == 2.0
    assert found.rmse.low <= found.rmse.mean <= found.rmse.high


def test_the_guarded_filter_s_figures_come_again() -> None:
    """The committed student and gate give the committed errors on a walk in a building that nobody was trained on."""
    record, forecasts, ranges = load_field(RESULTS)
    assert record is not None and forecasts is not None and ranges is not None
    student = load_student(RESULTS / "field-student.json")
    one = simulate_field(building(TEST), 0, load_errors(), record.settings.stops)
    batch = prepare([one.walk])
    row = record.groups[0].walks[0]
    assert (row.name, row.blocked) == (one.walk.name, one.blocked)
    for method in ("fixed", "robust", "guarded"):
        chosen = record.tuned[method][0]
        found = walk_errors(batch, chosen, student)
        assert rmse(found)[0] == pytest.approx(row.rmse[method][0], abs=2e-3), method


def test_field_tables_say_what_is_real() -> None:
    record, forecasts, ranges = load_field(RESULTS)
    assert record is not None and forecasts is not None and ranges is not None
    text = field_table(record)
    assert {group.kind for group in record.groups} == {"real", "semi-real", "simulated"}
    assert all(f"- {group.name}: " in text for group in record.groups)
    for name, asked, value in goals(record):
        line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert line.endswith("| reached |") == (value <= asked)
    assert "| constant-velocity |" in forecast_table(forecasts)
    assert range_table(ranges).count("| simulated, ") == 4


def test_ratios_by_hand() -> None:
    walks = [
        WalkRow(name=name, blocked=True, epochs=9, rmse={"fixed": [2.0], "guarded": values}, maximum={})
        for name, values in (("a", [1.0, 1.2]), ("b", [2.0, 2.2]))
    ]
    assert np.allclose(ratios(walks, "guarded"), [[0.5, 0.6], [1.0, 1.1]])
    found = over_walks_and_seeds(ratios(walks, "guarded"))
    assert found.mean == 0.8 and found.low < 0.8 < found.high and verdict(found) == "no difference"
    assert verdict(over_walks_and_seeds(np.full((4, 2), 0.9))) == "better"
