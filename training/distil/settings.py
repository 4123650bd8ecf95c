"""The `[distillation]` table of a recipe. Needs no torch."""

from typing import Literal

from pydantic import Field, model_validator

from tinyloc.strict import Strict
from tinyloc.training.models.settings import ModelSettings


class Teacher(Strict):
    """[[distillation.teachers]]: A model to train first, or a finished run."""

    run: str | None = None
    """Directory of a finished run of the same access points, scaling and classes."""
    model: ModelSettings | None = None
    """Model to train before the student on the same data, with the settings of [training]."""
    count: int = Field(default=1, ge=1, le=100)
    """Number of models of this kind, each with its own seed."""
    epochs: int | None = Field(default=None, ge=1, le=1_000_000)
    """Without it, `training.epochs`."""
    learning_rate: float | None = Field(default=None, gt=0, le=1000)
    """Without it, `training.learning_rate`."""

    @model_validator(mode="after")
    def _one_source(self) -> "Teacher":
        if (self.run is None) == (self.model is None):
            raise ValueError("name either run (a finished run) or model (one to train), not both")
        if self.run is not None and (self.count > 1 or self.epochs or self.learning_rate):
            raise ValueError("count, epochs and learning_rate are of a model to train; leave them out beside run")
        return self


class Distillation(Strict):
    """[distillation]: Larger models teach the deployed one. training/distil/losses.py has the formulas."""

    teachers: list[Teacher] = Field(min_length=1)
    choose: Literal["best", "mean"] = "best"
    """"best": the teacher of the highest validation macro F1. "mean": all, the mean of their probabilities."""
    assistant: Teacher | None = None
    """A model of middle size: the teachers teach it, and it teaches the deployed one."""
    method: Literal["logits", "crf", "marginals"] = "logits"
    """"logits": softened scores. "crf": the decisions of a teacher, for a student with a CRF. "marginals": the
    probabilities of each sample's class given its window, by the CRFs of both."""
    alpha: float | None = Field(default=None, ge=0, le=1)
    """Share of the teacher's term for "logits" (default 0.7), of the labels' term for "crf" and "marginals" (0.1)."""
    temperature: float = Field(default=2.0, gt=0, le=1000)
    """Temperature T of "logits"."""
    hidden_weight: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the squared distance between hidden states of teacher and student, through a learned projection."""
    relation_weight: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the difference between the pairwise distances of samples in teacher and student."""

    @property
    def share(self) -> float:
        """alpha, with its default filled in."""
        if self.alpha is not None:
            return self.alpha
        return 0.7 if self.method == "logits" else 0.1

    def problems(self, student: ModelSettings) -> list[str]:
        """What does not fit together with the model that learns, one sentence each."""
        models = [teacher.model for teacher in (*self.teachers, self.assistant) if teacher and teacher.model]
        found = []
        if self.method != "logits" and not all(model.crf for model in (student, *models)):
            found.append(f"distillation.method = {self.method!r} needs crf = true in the model and its teachers")
        if self.choose == "mean" and self.method != "logits":
            found.append("distillation.choose = 'mean' is there for method = 'logits' only")
        if self.choose == "mean" and (self.hidden_weight or self.relation_weight):
            found.append("hidden states and relations are those of one teacher: distillation.choose = 'best'")
        return found
