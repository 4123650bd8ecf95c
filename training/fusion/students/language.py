"""A language model as teacher, as the study has it: the history as text, the next position read from the answer.

Any causal model of `transformers` that lies in a local folder; nothing is downloaded. The answer is not one guess but a
distribution: the best answers by beam search over the top-k tokens, each parsed, weighted by its probability. Their
mean and variance are the lesson, in the form of every other teacher's (scaling.OUTPUTS).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from tinyloc.environment import install_command
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.students.rollout import Rollout
from tinyloc.training.fusion.students.scaling import LOG_VARIANCE, OUTPUTS

Floats = npt.NDArray[np.float64]
INSTRUCTION = (
    "A person walks with a radio tag. Of each epoch: position x, y (m), the radio fix less that position dx, dy (m), "
    "the fit of the ranges (m), the walking velocity vx, vy (m/s). Say where the person moves next (m) and how "
    "far off the coming fix will be (m).\n"
)
_NUMBER = r"([+-]?\d{1,3}(?:\.\d{1,3})?)"
_ANSWER = re.compile(rf"dx=\s*{_NUMBER}\s+dy=\s*{_NUMBER}\s+off=\s*(\d{{1,2}}(?:\.\d{{1,2}})?)")
LEAST_DEVIATION_M = 0.02
"""Answers are given in centimetres; no distribution over them is taken to be narrower."""
MOST_MOVE_M = 8.0


def prompt(history: Floats) -> str:
    """One history (HISTORY, CHANNELS) as text, positions relative to the last, with its trend."""
    last = history[-1, :2]
    lines = [INSTRUCTION]
    for age, row in zip(range(len(history) - 1, -1, -1), history, strict=True):
        x, y = row[:2] - last
        fix_x, fix_y, fit, vx, vy = row[2:]
        lines.append(f"t-{age}: x={x:+.2f} y={y:+.2f} dx={fix_x:+.2f} dy={fix_y:+.2f} fit={fit:.2f} ")
        lines.append(f"vx={vx:+.2f} vy={vy:+.2f}\n")
    moves = np.diff(history[:, :2], axis=0)
    x, y = moves.mean(axis=0)
    turn = _turn(moves)
    lines.append(f"trend: dx={x:+.2f} dy={y:+.2f} turn={turn:+.0f}\nnext:")
    return "".join(lines)


def _turn(moves: Floats) -> float:
    """Degrees from the mean direction of the first half of the moves to that of the second; 0 when standing."""
    half = len(moves) // 2
    one, two = moves[:half].sum(axis=0), moves[half:].sum(axis=0)
    if min(np.hypot(*one), np.hypot(*two)) < 1e-3:
        return 0.0
    return float(np.degrees(np.arctan2(one[0] * two[1] - one[1] * two[0], one @ two)))


def answer(move_m: Sequence[float], fix_error_m2: float) -> str:
    """What a perfect model would say: a displacement, and the root of the fix's mean squared error."""
    return f" dx={move_m[0]:+.2f} dy={move_m[1]:+.2f} off={np.sqrt(fix_error_m2):.1f}\n"


def parse(text: str) -> tuple[float, float, float] | None:
    """Displacement x, y and the fix's deviation in m from an answer; None when there is none, or an absurd one."""
    found = _ANSWER.search(text)
    if found is None:
        return None
    x, y, off = (float(group) for group in found.groups())
    return None if max(abs(x), abs(y)) > MOST_MOVE_M else (x, y, off)


@dataclass(frozen=True)
class Candidate:
    """One answer and the logarithm of its probability."""

    text: str
    log_probability: float


class Tokenizer(Protocol):
    """What is used of a tokenizer of `transformers`."""

    eos_token_id: int | None

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: list[int]) -> str: ...


@dataclass(frozen=True)
class LanguageTeacher:
    """A causal language model with its tokenizer.

    `top_k` tokens are looked at after each of `beams` beginnings; an answer has at most `longest` tokens.
    """

    model: Any
    tokenizer: Tokenizer
    beams: int = 8
    top_k: int = 5
    longest: int = 48

    def candidates(self, text: str) -> list[Candidate]:
        """The most probable answers to a prompt, best first: beams that end with a line or the model's own end."""
        start = self.tokenizer.encode(text)
        beams: list[tuple[list[int], float]] = [([], 0.0)]
        done: list[Candidate] = []
        for _ in range(self.longest):
            ids = torch.tensor([start + tokens for tokens, _ in beams])
            with torch.no_grad():
                logs = torch.log_softmax(self.model(input_ids=ids).logits[:, -1].float(), dim=-1)
            best, which = logs.topk(min(self.top_k, logs.shape[1]), dim=-1)
            grown = [
                ([*tokens, int(token)], score + float(log))
                for (tokens, score), row, names in zip(beams, best, which, strict=True)
                for log, token in zip(row, names, strict=True)
            ]
            grown.sort(key=lambda beam: -beam[1])
            beams = []
            for tokens, score in grown[: self.beams]:
                said = self.tokenizer.decode(tokens)
                if tokens[-1] == self.tokenizer.eos_token_id or "\n" in said.lstrip("\n"):
                    done.append(Candidate(said, score))
                else:
                    beams.append((tokens, score))
            if not beams or len(done) >= self.beams:
                break
        done += [Candidate(self.tokenizer.decode(tokens), score) for tokens, score in beams]
        return sorted(done, key=lambda candidate: -candidate.log_probability)[: self.beams]

    def lesson(self, history: Floats) -> Floats:
        """(OUTPUTS,) after one history; NaN when the model gave no answer that can be read."""
        return soft(self.candidates(prompt(history)))

    def teach(self, rollout: Rollout) -> npt.NDArray[np.float32]:
        """(B, N, OUTPUTS) of all usable histories, 0 elsewhere. What was not answered takes the mean of what was.

        Raises FusionError when more than half was not answered: such a model teaches nothing.
        """
        rows = [self.lesson(history.astype(float)) for history in rollout.history[rollout.usable]]
        said = np.array(rows).reshape(-1, OUTPUTS)
        mute = np.isnan(said).any(axis=1)
        if len(said) == 0 or mute.mean() > 0.5:
            raise FusionError(
                f"the language model gave no position to {int(mute.sum())} of {len(said)} histories; fine-tune it on "
                "walks first, or use a model that follows instructions"
            )
        said[mute] = said[~mute].mean(axis=0)
        lessons = np.zeros((*rollout.usable.shape, OUTPUTS), dtype=np.float32)
        lessons[rollout.usable] = said
        return lessons

    def loss(self, history: Floats, move_m: Sequence[float], fix_error_m2: float) -> torch.Tensor:
        """Mean negative log probability of the tokens of the right answer: what fine-tuning descends."""
        before = self.tokenizer.encode(prompt(history))
        whole = before + self.tokenizer.encode(answer(move_m, fix_error_m2))
        ids = torch.tensor([whole])
        logits = self.model(input_ids=ids).logits[0, len(before) - 1 : -1].float()
        return torch.nn.functional.cross_entropy(logits, ids[0, len(before) :])


def soft(candidates: Sequence[Candidate]) -> Floats:
    """Candidates -> one Gaussian each for position and fix, as scaling.OUTPUTS; NaN when none can be read."""
    read = [(parse(candidate.text), candidate.log_probability) for candidate in candidates]
    kept = [(values, log) for values, log in read if values is not None]
    if not kept:
        return np.full(OUTPUTS, np.nan)
    logs = np.array([log for _, log in kept])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    values = np.array([row for row, _ in kept])
    mean = weights @ values[:, :2]
    spread = float(weights @ ((values[:, :2] - mean) ** 2).mean(axis=1)) + LEAST_DEVIATION_M**2
    fix = float(weights @ values[:, 2] ** 2) + LEAST_DEVIATION_M**2
    return np.array([*mean, *np.clip(np.log([spread, fix]), *LOG_VARIANCE)])


def load_language_teacher(folder: Path, **settings: int) -> LanguageTeacher:
    """A teacher from a local folder of a causal model with its tokenizer. Raises FusionError; downloads nothing."""
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise FusionError(
            f"a language model as teacher needs the transformers library; run `{install_command('llm')}`"
        ) from None
    if not (folder / "config.json").is_file():
        raise FusionError(f"{folder}: no transformers model here (no config.json); name its folder")
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise FusionError(f"{folder}: not a causal language model with its tokenizer ({error})") from error
    return LanguageTeacher(model.eval(), tokenizer, **settings)
