"""The committed results: the committed student and settings give the committed figures."""

from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.scores import errors, score
from tinyloc.training.fusion.filters.tuning import track
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import site
from tinyloc.training.fusion.students.student_files import load_student
from tinyloc.training.fusion.study.study import TEST_SEED, StudyRecord
from tinyloc.training.fusion.study.table import draw, load_records, tables

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
    assert sum(line.endswith("reached |") for line in text.splitlines()) == 8
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
