"""Train now: init and deploy in processes of their own, at low priority, so that the recorder never waits."""

import os
import subprocess
import sys
import threading
import tomllib
from collections import deque
from pathlib import Path
from typing import Any

import tomli_w

from tinyloc.device.report.record import ReportError, load_evaluation
from tinyloc.device.report.verdict import agreement, chance_sentence, fitting, headline
from tinyloc.files import write_whole
from tinyloc.names import printable
from tinyloc.survey.data_files import write_data
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.project import Project
from tinyloc.survey.scans import Learn

NICE = 10
MOST_LINES = 200
WIDE = "int16x8"
QUICK_STEPS = 50
"""Of the optimiser, for each epoch that a quick look asks for."""


class TrainingJob:
    """One training at a time."""

    def __init__(self, project: Project, board: str) -> None:
        self.project, self.board = project, board
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self.verdict: dict[str, Any] | None = None
        self.learn: Learn = "rooms"
        self.state = "idle"
        """idle, running, done, failed or stopped."""
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def runs_dir(self) -> Path:
        return self.project.folder / "runs"

    def start(self, board: str | None = None, epochs: int | None = None, learn: Learn = "rooms") -> list[str]:
        """Write the data and begin.

        Args:
            board: Board of the verdict; the present one stays without it.
            epochs: Train for so many epochs in place of the recipe's; for a first look.
            learn: What the model will say.

        Returns:
            Notes on how the data are split.

        Raises:
            SurveyError: A training runs already, or the sessions do not suffice.
        """
        if self.state == "running":
            raise SurveyError("a training runs already; stop it first")
        written = write_data(self.project, learn)
        self.board, self.learn = board or self.board, learn
        self.lines.clear()
        self.lines.extend(written.notes)
        self.verdict, self.state, self._stopping = None, "running", False
        self._thread = threading.Thread(target=self._run, args=(written.description, epochs), daemon=True)
        self._thread.start()
        return written.notes

    def stop(self) -> None:
        """End the processes; the recorder is not touched."""
        self._stopping = True
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def wait(self, seconds: float) -> str:
        """Wait for the end; gives the state."""
        if self._thread is not None:
            self._thread.join(timeout=seconds)
        return self.state

    def snapshot(self) -> dict[str, Any]:
        """For the page."""
        return {
            "state": self.state, "board": self.board, "learn": self.learn, "lines": list(self.lines)[-30:],
            "verdict": self.verdict,
        }  # fmt: skip

    def _run(self, description: Path, epochs: int | None) -> None:
        name = self.project.content.name
        recipe = description.with_name(f"{name}.recipe.toml")
        verdict = self.runs_dir / name / f"evaluation-{self.board}.json"
        verdict.unlink(missing_ok=True)
        steps = [["init", str(description), "--board", self.board, "--force"]]
        steps += [
            ["deploy", str(recipe), "--board", self.board, "--run", name, "--fresh",
             "--runs-dir", str(self.runs_dir)]
        ]  # fmt: skip
        for number, step in enumerate(steps):
            if number:
                self.lines.extend(adjust(recipe, epochs))
            code = self._command(step)
            if self._stopping:
                self.state = "stopped"
                return
            if code not in (0, 1) or (code == 1 and not verdict.is_file()):
                self.state = "failed"
                return
        self.verdict = read_verdict(verdict, self.runs_dir / name)
        self.state = "done" if self.verdict else "failed"

    def _command(self, arguments: list[str]) -> int:
        """Run one command of tinyloc; what it prints becomes lines."""
        self.lines.append(f"tinyloc {' '.join(arguments)}")
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tinyloc", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=environment, preexec_fn=_gently if os.name == "posix" else None,
        )  # fmt: skip
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip():
                self.lines.append(printable(line.rstrip(), 300))
        return self._process.wait()


def _gently() -> None:
    if hasattr(os, "nice"):
        os.nice(NICE)


def adjust(recipe: Path, epochs: int | None = None) -> list[str]:
    """Change a recipe that `tinyloc init` wrote: 16-bit activations where it makes both forms, and the epochs.

    Few scans train sharp scores, which 8-bit state spoils; a first model should not fail in its export.
    """
    content = tomllib.loads(recipe.read_text(encoding="utf-8"))
    told = []
    if epochs is not None:
        training = content.setdefault("training", {})
        if "steps" in training:
            training["steps"] = min(training["steps"], epochs * QUICK_STEPS)
        else:
            training["epochs"] = epochs
        told.append("a short training, for a first look")
    export = content.get("export", {})
    if WIDE in export.get("arithmetics", []) and export.get("default") != WIDE:
        export["default"] = WIDE
        told.append(f"default arithmetic {WIDE}: a model with state keeps its accuracy with few scans")
    write_whole(recipe, tomli_w.dumps(content))
    return told


def read_verdict(evaluation: Path, run: Path) -> dict[str, Any] | None:
    """What the page shows of an evaluation; None when the file is none."""
    try:
        found = load_evaluation(evaluation)
    except (OSError, ReportError):
        return None
    return {
        "headline": headline(found),
        "agreement": agreement(found),
        "fitting": fitting(found),
        "decisions": found.decisions,
        "accuracy": found.device.accuracy,
        "macro_f1": found.device.macro_f1,
        "errors_m": found.device.errors_m,
        "chance": chance_sentence(found),
        "classes": found.classes,
        "confusion": found.confusion,
        "budget": [
            {"name": line.name, "used": line.used, "limit": line.limit, "unit": line.unit, "ok": line.ok}
            for line in found.budget
        ],
        "run": str(run),
    }
