"""`tinyloc study run --only`: which cells are taken."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinyloc.main import app
from tinyloc.study.spec import StudyError

STUDY = """
name = "chain"
forms = ["float"]
[data.house]
recipe = "house-a-mamba"
[model.large]
[model.middle]
[model.small]
[training.plain]
[training.once]
teacher = "large"
over.distillation.method = "crf"
[training.twice]
teacher = "middle"
teacher_training = "once"
over.distillation.method = "crf"
[[grid]]
data = ["house"]
model = ["large"]
seeds = [1]
[[grid]]
data = ["house"]
model = ["middle"]
training = ["plain", "once"]
seeds = [1]
[[grid]]
data = ["house"]
model = ["small"]
training = ["twice"]
seeds = [1]
"""


def run(tmp_path: Path, only: str) -> list[str]:
    (tmp_path / "study.toml").write_text(STUDY)
    options = ["--dry-run", "--only", only, "--results", str(tmp_path)]
    result = CliRunner().invoke(app, ["study", "run", str(tmp_path / "study.toml"), *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "hours on one core" in result.output
    return [line.split()[0] for line in result.output.splitlines() if line.startswith("house--")]


def test_teachers_of_teachers_come_too(tmp_path: Path) -> None:
    assert run(tmp_path, "twice") == ["house--large--plain--s1", "house--middle--once--s1", "house--small--twice--s1"]


def test_no_such_cell_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no cell has nowhere in its name; list the cells with --dry-run"):
        run(tmp_path, "nowhere")
