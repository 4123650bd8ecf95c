"""A language model as forecaster, in the published form: ten positions and words for the trend in, text out.

Any causal model of `transformers`: a folder, or one GGUF file. Nothing is downloaded and nothing is shipped. Answers
are kept in a file, one JSON object per line, with the hash of the model and of the prompt: a run that stops goes on.
"""

import copy
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.environment import install_command
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.students.windows import Windows

Floats = npt.NDArray[np.float64]
TASK = "Positions (x, y) of a walking person in metres, one per second, oldest first. Predict the next position.\n\n"
_PAIR = re.compile(r"\(?\s*([+-]?\d{1,4}(?:\.\d{1,4})?)\s*,\s*([+-]?\d{1,4}(?:\.\d{1,4})?)")
LONGEST = 16
"""Tokens of an answer."""
FARTHEST_M = 4.0
"""Nobody walks further in a second: such an answer lies outside of where the person can be, and is not used."""
STANDS_M, STRAIGHT = 0.15, np.deg2rad(20.0)


def trend(seen: Floats) -> str:
    """The last moves of a window (HISTORY, 2) in words: direction, turn, pace."""
    moves = np.diff(seen[-4:], axis=0)
    last = moves[-1]
    if np.linalg.norm(last) < STANDS_M:
        return "standing still"
    angle = float(np.degrees(np.arctan2(last[1], last[0]))) % 360
    names = ("right", "up and right", "up", "up and left", "left", "down and left", "down", "down and right")
    way = names[int((angle + 22.5) // 45) % 8]
    turn = float(np.arctan2(moves[0, 0] * last[1] - moves[0, 1] * last[0], float(moves[0] @ last)))
    bend = "straight on" if abs(turn) < STRAIGHT else ("turning left" if turn > 0 else "turning right")
    before, now = np.linalg.norm(moves[0]), np.linalg.norm(last)
    pace = "faster" if now > 1.25 * before else ("slower" if now < 0.8 * before else "at the same pace")
    return f"moving {way}, {bend}, {pace}"


def question(seen: Floats) -> str:
    """A window (HISTORY, 2) as text, relative to its first position: relative to the last, a model repeats (0, 0)."""
    points = " ".join(f"({x:.2f}, {y:.2f})" for x, y in seen - seen[0])
    return f"Positions: {points}\nTrend: {trend(seen)}\nNext: ("


def shots(examples: Windows) -> str:
    """The task with worked examples: the part that all prompts share."""
    text = TASK
    for seen, following in zip(examples.seen_m, examples.next_m, strict=True):
        x, y = following - seen[0]
        text += f"{question(seen)}{x:.2f}, {y:.2f})\n\n"
    return text


def read(answer: str, seen: Floats) -> tuple[Floats, str]:
    """Read the next position after a window (HISTORY, 2).

    Returns:
        Position in m, NaN when there is none; and what became of the answer: "said", "mute" (no position in it) or
        "far" (further from the last position than anybody walks).
    """
    found = _PAIR.match("(" + answer)
    if found is None:
        return np.full(2, np.nan), "mute"
    place = seen[0] + np.array([float(found.group(1)), float(found.group(2))])
    return (place, "said") if np.linalg.norm(place - seen[-1]) <= FARTHEST_M else (np.full(2, np.nan), "far")


@dataclass(frozen=True)
class Spoken:
    """What a model answered: positions (n, 2) with NaN where there is none, and how often each outcome."""

    positions_m: Floats
    outcomes: dict[str, int]


@dataclass(frozen=True)
class Answers:
    """Answers on disk."""

    path: Path
    model: str
    """Hash of the model."""

    def load(self) -> dict[str, str]:
        """Hash of the prompt -> answer. A last line that was cut off is passed over; answers of other models too."""
        kept: dict[str, str] = {}
        if not self.path.is_file():
            return kept
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                if row["model"] == self.model:
                    kept[str(row["prompt"])] = str(row["answer"])
            except (ValueError, KeyError, TypeError):
                continue
        return kept

    def parameters(self) -> int:
        """How many parameters the model has, as it was noted when it was loaded; 0 when it never was."""
        if not self.path.is_file():
            return 0
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                if row["model"] == self.model and "parameters" in row:
                    return int(row["parameters"])
            except (ValueError, KeyError, TypeError):
                continue
        return 0

    def note_parameters(self, count: int) -> None:
        """Note how many parameters the model has."""
        if self.parameters() != count:
            self._append({"model": self.model, "parameters": count})

    def add(self, prompt: str, answer: str) -> None:
        """Append one answer."""
        self._append({"model": self.model, "prompt": prompt, "answer": answer})

    def _append(self, row: dict[str, str | int]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut_off = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if cut_off else "") + json.dumps(row) + "\n")


def ask_all(
    windows: Windows, beginning: str, ask: Callable[[str, str], str], answers: Answers, minutes: float | None = None
) -> Spoken:
    """Ask for each window what is not yet answered.

    Args:
        windows: What to forecast.
        beginning: The part that all prompts share (`shots`).
        ask: From the shared beginning and the rest of the prompt to the answer.
        answers: Where answers are kept.
        minutes: Ask no more after so long; what is left has the outcome "unasked", and another run goes on.
    """
    known, began = answers.load(), time.monotonic()
    positions, outcomes = np.full((len(windows), 2), np.nan), {"said": 0, "mute": 0, "far": 0, "unasked": 0}
    for row, seen in enumerate(windows.seen_m):
        text = question(seen)
        key = hashlib.sha256((beginning + text).encode()).hexdigest()[:24]
        if key not in known and minutes is not None and time.monotonic() - began >= 60 * minutes:
            outcomes["unasked"] += 1
            continue
        if key not in known:
            known[key] = ask(beginning, text)
            answers.add(key, known[key])
        positions[row], outcome = read(known[key], seen)
        outcomes[outcome] += 1
    return Spoken(positions, outcomes)


def file_hash(path: Path) -> str:
    """SHA-256 of a model: of its file, or of the names and contents of the files of its folder. Raises FusionError."""
    if not path.exists():
        raise FusionError(f"{path}: no such file or folder; name a transformers folder or a .gguf file")
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()):
        if path.is_dir():
            digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def lazily(path: Path, answers: Answers) -> Callable[[str, str], str]:
    """A function that asks the model, which is loaded at the first question: kept answers need no model in memory."""
    model: list[LanguageModel] = []

    def ask(beginning: str, rest: str) -> str:
        if not model:
            model.append(LanguageModel(path))
            answers.note_parameters(model[0].parameters)
        return model[0].ask(beginning, rest)

    return ask


class LanguageModel:
    """A causal model that answers prompts greedily; the shared beginning is computed once."""

    def __init__(self, path: Path) -> None:
        """Load a folder or a GGUF file. Raises FusionError."""
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError:
            raise FusionError(
                f"a language model needs the transformers library; run `{install_command('llm')}`"
            ) from None
        self.hash = file_hash(path)
        where, file = (path.parent, {"gguf_file": path.name}) if path.is_file() else (path, {})
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(where, local_files_only=True, **file)
            model: Any = AutoModelForCausalLM.from_pretrained(where, local_files_only=True, **file)
        except ImportError as error:
            raise FusionError(f"{path}: {error}; GGUF files need the packages gguf and accelerate") from error
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise FusionError(f"{path}: not a causal language model that transformers reads ({error})") from error
        self._torch: Any = torch
        self._model: Any = model.eval()
        self.parameters = sum(p.numel() for p in self._model.parameters())
        self._beginning: tuple[str, int, Any] = ("", 0, None)

    def ask(self, beginning: str, rest: str) -> str:
        """The answer up to the end of its line or LONGEST tokens."""
        torch = self._torch
        start = self._tokenizer.encode(beginning)
        whole = self._tokenizer.encode(beginning + rest)
        shared = len(start) - 2  # the last token of the beginning may merge with the rest
        if whole[:shared] != start[:shared]:
            shared = 0
        with torch.no_grad():
            if self._beginning[:2] != (beginning, shared) and shared:
                cache = self._model(input_ids=torch.tensor([start[:shared]]), use_cache=True).past_key_values
                self._beginning = (beginning, shared, cache)
            cache = copy.deepcopy(self._beginning[2]) if shared else None
            ids, said = torch.tensor([whole[shared:]]), []
            for _ in range(LONGEST):
                out = self._model(input_ids=ids, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                token = int(out.logits[0, -1].argmax())
                said.append(token)
                text = str(self._tokenizer.decode(said))
                if token == self._tokenizer.eos_token_id or ")" in text or "\n" in text:
                    break
                ids = torch.tensor([[token]])
        return str(self._tokenizer.decode(said))
