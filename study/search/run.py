"""The search itself: candidates are proposed, compiled, trained from rung to rung, and told to Optuna."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from tinyloc.boards import load_board
from tinyloc.errors import UserError
from tinyloc.files import write_whole
from tinyloc.study import cluster
from tinyloc.study.needs import needs_of
from tinyloc.study.search import space, trial
from tinyloc.study.search.cost import Cost, TooLarge, above, cost_key, excess, limits_of, untrained_cost
from tinyloc.study.search.settings import Search, SearchError
from tinyloc.study.search.trial import Measured, TrialRecord
from tinyloc.study.tasks import Engine, Event, Work
from tinyloc.training.errors import RecipeError
from tinyloc.training.recipe import Recipe

RECORD = "record"
"""User attribute of an Optuna trial: its TrialRecord as JSON."""
COSTS_FILE = "costs.json"
PROBES = 4
"""Smallest corners of the space that are compiled before the first trial."""
BEATEN_BY = 2
"""So many candidates that cost no more and were better at a rung end a trial there."""
WORST_QUALITY = {"class": 0.0, "mean": -1000.0}
"""What Optuna is told of a candidate that was never trained: macro F1, or the negative mean error in m."""


@dataclass(frozen=True)
class SearchWork:
    """The tasks of a trial; tests put quick ones in their place."""

    cost: Work = untrained_cost
    """(Recipe, board, Tell) -> Cost, or TooLarge."""
    rung: Work = trial.train_to_rung
    """(Recipe, run, share of the training, Tell) -> merit on validation."""
    finish: Work = trial.finish
    """(Recipe, run, board, Tell) -> Measured, or TooLarge."""


@dataclass(frozen=True)
class Step:
    """What `run_search` reports: `text` of a trial at work, or the record of one that ended."""

    trial: int
    text: str
    record: TrialRecord | None
    done: int
    total: int


@dataclass
class _AtWork:
    handle: Trial
    recipe: Recipe
    record: TrialRecord
    rungs_left: list[float] = field(default_factory=list)

    def keep(self, **changes: Any) -> None:
        """Change the record, in the store first."""
        self.record = self.record.model_copy(update=changes)
        self.handle.set_user_attr(RECORD, self.record.model_dump_json())


@dataclass
class Searching:
    """A search in progress."""

    search: Search
    base: Mapping[str, Any]
    """Table of the recipe that the space is put over."""
    study: optuna.Study
    place: Path
    """Directory of the search: runs of the trials, learnt costs, results."""
    engine: Engine
    work: SearchWork = SearchWork()
    at_work: dict[int, _AtWork] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        self.limits = limits_of(self.search.budget, load_board(self.search.board))
        self.costs = load_costs(self.place)

    def run(self) -> Iterator[Step]:
        """Continue the trials that were at work, then propose new ones until all are done."""
        self.done = sum(one.state.is_finished() for one in self.study.get_trials(deepcopy=False))
        begun = self.study.get_trials(deepcopy=False)
        if not begun:
            self.check_space()
        for frozen in begun:
            if not frozen.state.is_finished():
                yield from self._begin(Trial(self.study, frozen._trial_id), frozen.params)
        yield from self._propose()
        for event in self.engine.events():
            number, _, what = event.key.partition(" ")
            if not event.ended:
                yield Step(int(number), event.text, None, self.done, self.search.trials)
                continue
            yield from self._after(self.at_work[int(number)], what, event)
            yield from self._propose()

    def check_space(self) -> None:
        """Compile the smallest corners. SearchError, when none fits: which limit, and by how much at least."""
        least: dict[str, tuple[float, str]] = {}
        refused: list[str] = []
        for recipe in smallest(self.search, self.base):
            self.engine.submit("corner", self.work.cost, recipe, self.search.board)
            (event,) = [event for event in self.engine.events() if event.ended]
            if event.error is not None or isinstance(event.result, TooLarge):
                refused.append(event.error or event.result.why)
                continue
            self._learn(recipe, event.result)
            over = {name: share for name, share in excess(event.result, self.limits).items() if share > 0}
            if not over:
                return
            for name, text in zip(over, above(event.result, self.limits), strict=True):
                least[name] = min(least.get(name, (float("inf"), "")), (over[name], text))
        why = "; ".join([text for _, text in least.values()] or refused[:1] or ["no candidate is a valid recipe"])
        raise SearchError(
            f"nothing in the space of {self.search.name!r} fits {self.search.board}: the smallest candidates have {why}"
            ". Allow more, or widen the space downwards"
        )

    def _propose(self) -> Iterator[Step]:
        """As many trials at work as there are CPUs."""
        while len(self.at_work) < cluster.cpus() and len(self.study.get_trials(deepcopy=False)) < self.search.trials:
            handle = self.study.ask(space.distributions(self.search))
            yield from self._begin(handle, handle.params)

    def _begin(self, handle: Trial, parameters: space.Parameters) -> Iterator[Step]:
        kept = handle.user_attrs.get(RECORD)
        record = TrialRecord.model_validate_json(kept) if kept else TrialRecord()
        try:
            recipe = space.recipe_of(self.search, self.base, parameters)
        except RecipeError as error:
            failed = record.model_copy(update={"status": "failed", "why": str(error)})
            handle.set_user_attr(RECORD, failed.model_dump_json())
            self.study.tell(handle.number, state=TrialState.FAIL)
            self.done += 1
            yield Step(handle.number, failed.why, failed, self.done, self.search.trials)
            return
        state = _AtWork(handle, recipe, record)
        state.rungs_left = self.search.rungs[len(record.rungs) :]
        self.at_work[handle.number] = state
        if record.status != "running":  # killed between the record and the word to Optuna
            yield self._tell(state)
        elif record.untrained is not None:
            self._train(state)
        elif cost_key(recipe) in self.costs:
            yield from self._weigh(state, self.costs[cost_key(recipe)])
        else:
            self.engine.submit(f"{handle.number} cost", self.work.cost, recipe, self.search.board, urgency=1)

    def _after(self, state: _AtWork, what: str, event: Event) -> Iterator[Step]:
        if event.error is not None:
            state.keep(status="failed", why=event.error)
            yield self._tell(state)
        elif isinstance(event.result, TooLarge):
            state.keep(status="too large", why=event.result.why)
            yield self._tell(state)
        elif what == "cost":
            self._learn(state.recipe, event.result)
            yield from self._weigh(state, event.result)
        elif what == "rung":
            state.rungs_left.pop(0)
            state.keep(rungs=[*state.record.rungs, event.result])
            better = self._better_at_rung(state)
            if better >= BEATEN_BY:
                epoch = f"rung {len(state.record.rungs)} of {len(self.search.rungs)}"
                state.keep(status="behind", why=f"at {epoch}, {better} that cost no more were better")
                yield self._tell(state)
            else:
                self._train(state)
        else:
            measured: Measured = event.result
            too_much = above(measured.cost, self.limits)
            state.keep(
                status="too large" if too_much else "done", why="; ".join(too_much), quality=measured.quality,
                cost=measured.cost, seconds=measured.seconds,
            )  # fmt: skip
            yield self._tell(state)

    def _weigh(self, state: _AtWork, cost: Cost) -> Iterator[Step]:
        """Train what fits; what does not is never trained."""
        too_much = above(cost, self.limits)
        state.keep(untrained=cost)
        if too_much:
            state.keep(status="too large", why="; ".join(too_much))
            yield self._tell(state)
        else:
            self._train(state)

    def _train(self, state: _AtWork) -> None:
        """To the next rung, or to the end."""
        number, recipe, needs = state.handle.number, state.recipe, needs_of(state.recipe)
        run = trial_run(self.place, number)
        if state.rungs_left:
            share = state.rungs_left[0]
            self.engine.submit(f"{number} rung", self.work.rung, recipe, run, share, needs=needs)
        else:
            self.engine.submit(
                f"{number} finish", self.work.finish, recipe, run, self.search.board, needs=needs, urgency=1
            )

    def _better_at_rung(self, state: _AtWork) -> int:
        """Other trials that cost no more, by every cost among the objectives, and were better at the newest rung."""
        at = len(state.record.rungs) - 1
        mine, costs = state.record, [name for name in self.search.objectives if name != "quality"]
        assert mine.untrained is not None
        better = 0
        for number, other in records(self.study).items():
            if number == state.handle.number or other.untrained is None or len(other.rungs) <= at:
                continue
            cheap = all(getattr(other.untrained, name) <= getattr(mine.untrained, name) for name in costs)
            better += cheap and other.rungs[at] > mine.rungs[at]
        return better

    def _tell(self, state: _AtWork) -> Step:
        """End a trial in Optuna's store. One without costs (it failed, or its image does not link) teaches nothing."""
        record, number = state.record, state.handle.number
        cost = record.cost or record.untrained
        if cost is None:
            self.study.tell(number, state=TrialState.FAIL)
            return self._ended(state)
        for name, share in excess(cost, self.limits).items():
            state.handle.set_constraint(name, share)
        quality = record.quality if record.quality is not None else max(record.rungs, default=None)
        if quality is None:
            quality = WORST_QUALITY[state.recipe.output.position]
        values = [quality if name == "quality" else float(getattr(cost, name)) for name in self.search.objectives]
        if record.status == "failed":
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, values)
        return self._ended(state)

    def _ended(self, state: _AtWork) -> Step:
        self.at_work.pop(state.handle.number, None)
        self.done += 1
        text = state.record.why or state.record.status
        return Step(state.handle.number, text, state.record, self.done, self.search.trials)

    def _learn(self, recipe: Recipe, cost: Cost) -> None:
        self.costs[cost_key(recipe)] = cost
        kept = {key: one.model_dump() for key, one in self.costs.items()}
        write_whole(self.place / COSTS_FILE, json.dumps(kept, indent=1) + "\n")


def load_costs(place: Path) -> dict[str, Cost]:
    """Costs that earlier trials learnt; none when the file is not there or of another version."""
    try:
        kept = json.loads((place / COSTS_FILE).read_text(encoding="utf-8"))
        return {key: Cost.model_validate(one) for key, one in kept.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def trial_run(place: Path, number: int) -> Path:
    """Directory of a trial's run."""
    return place / "trials" / f"{number:04}"


def records(study: optuna.Study) -> dict[int, TrialRecord]:
    """Trial number -> what is known of it, of all that have begun."""
    return {one.number: record_of(one) for one in study.get_trials(deepcopy=False)}


def record_of(one: FrozenTrial) -> TrialRecord:
    """The record in a trial of the store."""
    kept = one.user_attrs.get(RECORD)
    return TrialRecord.model_validate_json(kept) if kept else TrialRecord()


def smallest(search: Search, base: Mapping[str, Any]) -> list[Recipe]:
    """The corners of the space with the fewest weights, fewest first; those that are no recipe are left out."""
    from tinyloc.training.compress.footprint import least_constant_bytes, least_weight_bits
    from tinyloc.training.data import catalogue

    found: list[tuple[int, int, Recipe]] = []
    sizes: dict[str, tuple[int, int]] = {}
    for number, parameters in enumerate(space.corners(search)):
        try:
            recipe = space.recipe_of(search, base, parameters)
        except UserError:
            continue
        source = recipe.data.model_dump_json()
        if source not in sizes:
            path = Path(recipe.data.path) if recipe.data.path else None
            data_set = catalogue.load(recipe.data.name, recipe.data.options, path)
            sizes[source] = len(data_set.access_points), len(data_set.classes)
        inputs, classes = sizes[source]
        inputs = min(inputs, recipe.compression.access_points or inputs)
        bits = least_weight_bits(recipe.export)
        found.append((least_constant_bytes(recipe.deployed_model, inputs, classes, bits), number, recipe))
    return [recipe for *_, recipe in sorted(found, key=lambda one: one[:2])[:PROBES]]
