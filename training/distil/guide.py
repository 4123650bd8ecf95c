"""The loss of a student that has a teacher: its own loss and the teacher's, as `[distillation]` says."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.compress.integer_tuner import Twin
from tinyloc.training.distil import losses
from tinyloc.training.distil.hidden import Watch, pairs, watch
from tinyloc.training.distil.settings import Distillation
from tinyloc.training.models.localiser import Localiser


class Guide(nn.Module):
    """One teacher, or the mean of several. Its parameters are the projections that hidden-state matching learns.

    Letters: B chunks, T samples a chunk, P access points, C classes, W windows of S samples.
    """

    def __init__(self, settings: Distillation, teachers: Sequence[Localiser], student: Localiser, steps: int) -> None:
        """steps: S, samples of a window, which CRFs look at."""
        super().__init__()
        self.settings, self.steps = settings, steps
        self._teachers = tuple(teacher.eval().requires_grad_(False) for teacher in teachers)  # no parameters of ours
        self._student = (student,)
        self._watches: tuple[Watch, Watch] | None = None
        self.projections: nn.ModuleList | None = None
        if settings.hidden_weight or settings.relation_weight:
            self._watches = (watch(student), watch(teachers[0]))
        if settings.hidden_weight:
            self.projections = nn.ModuleList(self._projections())

    def _projections(self) -> list[nn.Module]:
        """A linear layer for each layer of the student, to the size of the teacher's layer it is matched with."""
        assert self._watches is not None
        for model in (self._student[0], self._teachers[0]):
            was = model.training
            model.eval()
            with torch.set_grad_enabled(isinstance(model, Twin)):  # whose layers are real numbers for gradients only
                model.network(torch.zeros(1, self.steps, model.inputs))
            model.train(was)
        learnt, taught = (seen.states for seen in self._watches)
        matched = pairs(len(learnt), len(taught))
        return [nn.Linear(own.shape[-1], taught[at].shape[-1]) for own, at in zip(learnt, matched, strict=True)]

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Compute the teacher's scores: readings (B, T, P) -> (B, T, C).

        Several teachers: the logarithm of their mean probability.
        """
        if len(self._teachers) == 1:
            return self._teachers[0].network(x)
        logs = torch.stack([functional.log_softmax(teacher.network(x), dim=-1) for teacher in self._teachers])
        return logs.logsumexp(0)

    def loss(self, x: Tensor, scores: Tensor, own: Tensor) -> Tensor:
        """Compute the student's whole loss, a scalar.

        Args:
            x: readings that the student saw (B, T, P).
            scores: its scores for them (B, T, C).
            own: its loss with the labels.
        """
        settings, alpha = self.settings, self.settings.share
        taught = self.scores(x)
        if settings.method == "logits":
            loss = alpha * losses.softened(scores, taught, settings.temperature) + (1 - alpha) * own
        else:
            loss = alpha * own + (1 - alpha) * self._by_window(scores, taught)
        if self._watches is None:
            return loss
        learnt, known = (seen.states for seen in self._watches)
        if self.projections is not None:
            matched = zip(self.projections, learnt, pairs(len(learnt), len(known)), strict=True)
            apart = [losses.hidden_distance(project(state), known[at]) for project, state, at in matched]
            loss = loss + settings.hidden_weight * torch.stack(apart).mean()
        if settings.relation_weight:
            apart_by = losses.relations(learnt[-1].flatten(0, -2), known[-1].flatten(0, -2))
            loss = loss + settings.relation_weight * apart_by
        return loss

    def _by_window(self, scores: Tensor, taught: Tensor) -> Tensor:
        """What both CRFs make of each window; scores and taught (B, T, C)."""
        student, teacher = self._student[0].crf, self._teachers[0].crf
        assert student is not None and teacher is not None, "recipes ask for a CRF in both"
        emissions, known = (each.reshape(-1, self.steps, each.shape[-1]) for each in (scores, taught))  # (W, S, C)
        if self.settings.method == "crf":
            return losses.decided(emissions, teacher.decode(known))
        return losses.marginal(student, emissions, losses.log_marginals(teacher, known).detach().exp())
