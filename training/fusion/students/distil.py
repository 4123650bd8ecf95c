"""Training of teacher and students, with and without distillation.

Losses of the published method, for a network that says a Gaussian instead of tokens: soft distribution = the
Kullback-Leibler divergence from the teacher's Gaussians to the student's, coordinates = distance of the means to the
truth, consistency = the student says the same of a history that was shaken a little. Undistilled: the likelihood of the
truth alone. Both see the same walks the same number of times.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tinyloc.training.fusion.filters.settings import DistilSettings
from tinyloc.training.fusion.students.language import LanguageTeacher, load_language_teacher
from tinyloc.training.fusion.students.networks import Teacher, make_student
from tinyloc.training.fusion.students.rollout import Rollout
from tinyloc.training.fusion.students.scaling import LOG_VARIANCE, Frame


def likelihood(out: Tensor, target: Tensor, fix_error: Tensor, fixed: Tensor) -> Tensor:
    """Mean negative log likelihood, per row, of the true displacement and of the error of the coming fix."""
    logs = out[:, 2:].clamp(*LOG_VARIANCE)
    squared = ((out[:, :2] - target) ** 2).mean(dim=1)
    position = 0.5 * (logs[:, 0] + squared / logs[:, 0].exp())
    fix = 0.5 * (logs[:, 1] + fix_error / logs[:, 1].exp())
    return position + fix * fixed


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Kullback-Leibler divergence, per row, from the teacher's Gaussians to the student's."""
    t, s = teacher[:, 2:].clamp(*LOG_VARIANCE), student[:, 2:].clamp(*LOG_VARIANCE)
    apart = ((teacher[:, :2] - student[:, :2]) ** 2).mean(dim=1)
    ratio = (t - s).exp()
    position = 0.5 * (s[:, 0] - t[:, 0] + ratio[:, 0] + apart / s[:, 0].exp() - 1)
    fix = 0.5 * (s[:, 1] - t[:, 1] + ratio[:, 1] - 1)
    return position + fix


def train_teacher(rollouts: Sequence[Rollout], frame: Frame, settings: DistilSettings, seed: int) -> Teacher:
    """A teacher of the walks of these rollouts."""
    torch.manual_seed(seed)
    teacher = Teacher(settings.teacher_hidden)
    data = [_walks(rollout, frame) for rollout in rollouts]
    x, target, error, usable, fixed = (torch.cat(parts) for parts in zip(*data, strict=True))
    size = 8
    steps = settings.teacher_epochs * ((len(x) + size - 1) // size)
    optimiser = torch.optim.AdamW(teacher.parameters(), lr=settings.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(settings.teacher_epochs):
        order = torch.randperm(len(x), generator=generator)
        for rows in (order[i : i + size] for i in range(0, len(x), size)):
            keep = usable[rows]
            out = teacher(x[rows])[keep]
            loss = likelihood(out, target[rows][keep], error[rows][keep], fixed[rows][keep]).mean()
            _descend(loss, teacher, optimiser)
            schedule.step()
    return teacher.eval()


def find_teacher(
    rollouts: Sequence[Rollout], frame: Frame, settings: DistilSettings, seed: int
) -> Teacher | LanguageTeacher:
    """The language model that the settings name, or a teacher trained on the rollouts."""
    if settings.language_model is not None:
        return load_language_teacher(Path(settings.language_model))
    return train_teacher(rollouts, frame, settings, seed)


def teach(teacher: Teacher | LanguageTeacher, rollout: Rollout, frame: Frame) -> npt.NDArray[np.float32]:
    """What the teacher says at each epoch of the walks: (B, N, OUTPUTS)."""
    if isinstance(teacher, LanguageTeacher):
        return teacher.teach(rollout)
    with torch.no_grad():
        out: npt.NDArray[np.float32] = teacher(_walks(rollout, frame)[0]).numpy()
    return out


def train_student(
    rollouts: Sequence[Rollout], lessons: Sequence[npt.NDArray[np.float32]] | None, frame: Frame,
    settings: DistilSettings, seed: int,
) -> nn.Module:  # fmt: skip
    """A student; `lessons` are the teacher's outputs for the same rollouts, None trains it undistilled."""
    torch.manual_seed(seed)
    student = make_student(settings.student, settings.hidden)
    parts = []
    for index, rollout in enumerate(rollouts):
        x, target, error, usable, fixed = _walks(rollout, frame)
        said = torch.zeros(*x.shape[:2], 4) if lessons is None else torch.from_numpy(lessons[index])
        parts.append((x[usable], target[usable], error[usable], fixed[usable], said[usable]))
    x, target, error, fixed, said = (torch.cat(column) for column in zip(*parts, strict=True))
    optimiser = torch.optim.AdamW(student.parameters(), lr=settings.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=settings.steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(settings.steps):
        rows = torch.randint(len(x), (settings.batch,), generator=generator)
        out = student(x[rows])
        plain = likelihood(out, target[rows], error[rows], fixed[rows]).mean()
        if lessons is None:
            loss = plain
        else:
            soft = divergence(said[rows], out).mean()
            coordinates = (out[:, :2] - target[rows]).abs().mean()
            shaken = student(x[rows] + settings.shake * torch.randn(x[rows].shape, generator=generator))
            consistency = (shaken[:, :2] - out[:, :2]).abs().mean()
            loss = (
                settings.soft * soft
                + settings.truth * plain
                + settings.coordinates * coordinates
                + settings.consistency * consistency
            )
        _descend(loss, student, optimiser)
        schedule.step()
    return student.eval()


def _descend(loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


def _walks(rollout: Rollout, frame: Frame) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Inputs, targets, errors of the fix, and two masks, as tensors."""
    return (
        torch.from_numpy(frame.inputs(rollout.history).astype(np.float32)),
        torch.from_numpy(rollout.target_m),
        torch.from_numpy(rollout.fix_error_m2),
        torch.from_numpy(rollout.usable),
        torch.from_numpy(rollout.fixed.astype(np.float32)),
    )
