"""An evaluation against an earlier one: what became worse beyond a tolerance, and which samples changed sides.

Source: McNemar, Psychometrika 12 (1947), in its exact form: under no difference, of b + c samples that only one of two
models decides right, each has as many as the other with probability 1/2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

from tinyloc.device.evaluation.budget import average_microamp
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import grouped, measured
from tinyloc.device.report.record import load_evaluation

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Quantity:
    """One figure and how much worse it may become."""

    name: str
    unit: str
    tolerance: float
    relative: bool = False
    """The tolerance is a share of the old figure."""
    higher_is_better: bool = False
    quality: bool = False
    """Its change counts only where the McNemar test says that it is no noise."""


QUANTITIES = (
    Quantity("macro F1", "", 0.005, higher_is_better=True, quality=True),
    Quantity("accuracy", "", 0.005, higher_is_better=True, quality=True),
    Quantity("floor hit", "", 0.005, higher_is_better=True, quality=True),
    Quantity("mean error", "m", 0.02, relative=True),
    Quantity("P90 error", "m", 0.03, relative=True),
    Quantity("flash", "B", 64),
    Quantity("RAM", "B", 32),
    Quantity("state and arena", "B", 0),
    Quantity("cycles", "cycles", 0.005, relative=True),
    Quantity("latency", "ms", 0.005, relative=True),
    Quantity("energy", "uJ", 0.005, relative=True),
    Quantity("current", "uA", 0.01, relative=True),
    Quantity("answers that differ from the host's", "samples", 0),
)


@dataclass(frozen=True)
class Delta:
    """One figure then and now."""

    quantity: Quantity
    old: float
    new: float
    noise: bool = False
    """Beyond the tolerance, but the samples that changed sides do not tell the models apart."""

    @property
    def change(self) -> float:
        return self.new - self.old

    @property
    def allowed(self) -> float:
        """How much worse the figure may be, in its unit."""
        return self.quantity.tolerance * (abs(self.old) if self.quantity.relative else 1.0)

    @property
    def regressed(self) -> bool:
        worse = -self.change if self.quantity.higher_is_better else self.change
        return worse > self.allowed + 1e-9 and not self.noise

    def text(self, value: float) -> str:
        """A figure with its unit."""
        return measured(value, self.quantity.unit)

    def signed(self) -> str:
        """The change with its sign and unit."""
        return f"{'+' if self.change >= 0 else '−'}{self.text(abs(self.change))}"

    def state(self) -> str:
        """One word."""
        if self.regressed:
            return "WORSE"
        return "noise" if self.noise else "ok"


@dataclass(frozen=True)
class McNemar:
    """Samples that changed sides between two evaluations of the same test set."""

    lost: int
    """Right before, wrong now."""
    won: int
    """Wrong before, right now."""
    p: float
    """Probability of a split at least as uneven where the models are equally good."""

    @property
    def significant(self) -> bool:
        return self.p < SIGNIFICANT

    def sentence(self) -> str:
        """What the pairs say."""
        sides = f"{grouped(self.won)} decisions became right and {grouped(self.lost)} wrong"
        verdict = "a difference" if self.significant else "no difference beyond noise"
        return f"{sides}; exact McNemar test: p = {self.p:.3g}, {verdict}."


@dataclass(frozen=True)
class Comparison:
    """An evaluation beside an earlier one."""

    old: Evaluation
    new: Evaluation
    deltas: list[Delta]
    pairs: McNemar | None
    """None where the test sets are not the same."""
    notes: list[str]

    @property
    def regressions(self) -> list[Delta]:
        return [delta for delta in self.deltas if delta.regressed]


def mcnemar(lost: int, won: int) -> McNemar:
    """The exact two-sided test of `lost` against `won` discordant pairs."""
    pairs = lost + won
    tail = sum(comb(pairs, k) for k in range(min(lost, won) + 1)) / 2**pairs
    return McNemar(lost, won, min(1.0, 2 * tail))


def compare(new: Evaluation, old: Evaluation) -> Comparison:
    """Compare two evaluations; what only one of them has is left out.

    Args:
        new: the one that must not be worse.
        old: the baseline.
    """
    notes = [
        f"{what} was {before}, is {now}"
        for what, before, now in (
            ("model", old.name, new.name),
            ("board", old.board, new.board),
            ("arithmetic", old.arithmetic, new.arithmetic),
            ("back end", old.backend, new.backend),
            ("compiler", old.versions.get("gcc", "?"), new.versions.get("gcc", "?")),
            ("cycles", old.cycles_kind, new.cycles_kind),
        )
        if before != now
    ]
    pairs = _pairs(new, old)
    if pairs is None:
        notes.append("the test sets differ, or a record has no decisions: samples are not paired")
    before, now = _figures(old), _figures(new)
    deltas = []
    for quantity in QUANTITIES:
        a, b = before.get(quantity.name), now.get(quantity.name)
        if a is None or b is None:
            continue
        delta = Delta(quantity, a, b)
        if delta.regressed and quantity.quality and pairs is not None and not pairs.significant:
            delta = Delta(quantity, a, b, noise=True)
        deltas.append(delta)
    return Comparison(old, new, deltas, pairs, notes)


def _figures(found: Evaluation) -> dict[str, float | None]:
    errors, cycles, slower = found.device.errors_m or {}, found.cycles, found.slower_cycles
    rate = None if found.timeline is None else found.timeline.rate_hz
    return {
        "macro F1": found.device.macro_f1,
        "accuracy": found.device.accuracy,
        "floor hit": found.device.floor_hit,
        "mean error": errors.get("mean"),
        "P90 error": errors.get("p90"),
        "flash": found.flash.total,
        "RAM": found.ram.total,
        "state and arena": found.ram.state + found.ram.arena,
        "cycles": None if cycles is None else cycles.median,
        "latency": None if slower is None else slower.median / found.clock_hz * 1e3,
        "energy": None if found.energy is None else found.energy.microjoule,
        "current": None if rate is None else average_microamp(found.energy, rate),
        "answers that differ from the host's": found.mismatches,
    }


def _pairs(new: Evaluation, old: Evaluation) -> McNemar | None:
    a, b = old.timeline, new.timeline
    if a is None or b is None or (a.sample, a.recording) != (b.sample, b.recording):
        return None
    truth = [[names[i] if i >= 0 else "" for i in line.label] for names, line in ((old.classes, a), (new.classes, b))]
    if truth[0] != truth[1]:
        return None
    before, now = ([d == t for d, t in zip(line.decided, line.label, strict=True)] for line in (a, b))
    lost = sum(x and not y for x, y in zip(before, now, strict=True))
    won = sum(y and not x for x, y in zip(before, now, strict=True))
    return mcnemar(lost, won)


def find_baseline(path: Path, evaluations: Sequence[Evaluation]) -> dict[int, Comparison]:
    """Compare evaluations with the record at `path`: those of its board and back end; all where there is none of these.

    Returns:
        Place in `evaluations` -> its comparison.

    Raises:
        ReportError: The file is no record.
    """
    old = load_evaluation(path)
    like = [n for n, each in enumerate(evaluations) if (each.board, each.backend) == (old.board, old.backend)]
    return {n: compare(evaluations[n], old) for n in like or range(len(evaluations))}


def lines(found: Comparison) -> list[str]:
    """The comparison as text for the terminal."""
    width = max(len(delta.quantity.name) for delta in found.deltas)
    told = [f"Beside the baseline {found.old.name} ({found.old.arithmetic}, {found.old.board}):"]
    told += [
        f"  {delta.quantity.name:<{width}}  {delta.text(delta.old):>12} -> {delta.text(delta.new):>12}  "
        f"{delta.signed():>12}  allowed {delta.text(delta.allowed)}  {delta.state()}"
        for delta in found.deltas
    ]
    told += [found.pairs.sentence()] if found.pairs else []
    return [*told, *(f"note: {note}" for note in found.notes)]
