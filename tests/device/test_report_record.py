"""The record of an evaluation: read back as it was written, or refused with a reason."""

import json
from pathlib import Path

import pytest

from tests.evaluation_samples import house_evaluation
from tinyloc.device.report.record import ReportError, load_evaluation, save_evaluation


def test_a_record_reads_back_as_it_was(tmp_path: Path) -> None:
    save_evaluation(house_evaluation(), tmp_path / "e.json")
    assert load_evaluation(tmp_path / "e.json") == house_evaluation()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": "many"}, r"\(samples: .*, 1 problem in all\)"),
        ({"samples": "many", "surprise": 1}, r"\(samples: .*, 2 problems in all\)"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = tmp_path / "e.json"
    save_evaluation(house_evaluation(), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ReportError, match=message + "; make it again with `tinyloc emulate`"):
        load_evaluation(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"samples": "caf\xe9"}'])
def test_a_damaged_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "e.json").write_bytes(content)
    with pytest.raises(ReportError, match=r"not an evaluation of this tinyloc .*1 problem in all"):
        load_evaluation(tmp_path / "e.json")


def test_a_record_from_before_golden_scans_were_named_is_read(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    save_evaluation(house_evaluation(), path)
    old = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("samples_from", "made_with")}
    path.write_text(json.dumps(old))
    assert load_evaluation(path) == house_evaluation() and not load_evaluation(path).golden
