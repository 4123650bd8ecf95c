"""Records of cells -> rows: mean and spread over seeds of each form of each configuration."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinyloc.device.evaluation.form_record import FormRecord
from tinyloc.study.record import CellRecord
from tinyloc.study.statistics import Answers, Interval, difference, interval
from tinyloc.training.packed import unpack
from tinyloc.training.protocol.figures import Decisions


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (0 for one value) of `count` values."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Row:
    """One configuration in one form. Sizes and cycles are means over the seeds, NaN where there is none."""

    data: str
    simulated: bool
    data_set: str
    """Name in the catalogue."""
    source: str
    """The recipe's [data] as JSON: rows of equal source are of the same samples."""
    model: str
    training: str
    form: str
    inputs: int
    classes: int
    architecture: str
    hidden: str
    layers: int
    parameters: int
    parameters_published: int
    seeds: tuple[int, ...]
    macro_f1: Spread
    accuracy: Spread
    errors_m: dict[str, Spread]
    """mean, p50, p75, p90, max of the position error, where every seed has one."""
    serialised_bytes: float
    constant_bytes: float
    boards: dict[str, "BoardRow"]
    figures: dict[str, Spread] = field(default_factory=dict)
    """Of the protocol, by name, where every seed has them: floor_hit, building_hit, evaal_m and so on."""
    answers: dict[int, Answers] = field(default_factory=dict)
    """Decisions of each seed; empty where a record has none."""

    def interval(self, figure: str = "macro_f1") -> Interval | None:
        """Over seeds and test set; None where decisions are not kept."""
        return interval(list(self.answers.values()), figure) if self.answers else None

    def percentile_m(self, percent: float) -> Spread | None:
        """Of the position errors, over the seeds; None where they are not kept."""
        errors = [one.found.error_m for one in self.answers.values()]
        known = [one for one in errors if one is not None]
        if not known or len(known) < len(errors):
            return None
        return spread([float(np.nanpercentile(one, percent)) for one in known])

    def against(self, other: "Row", figure: str = "macro_f1") -> Interval | None:
        """This one minus another, paired by seed; None where the two share no seed, or not the test set."""
        shared = sorted(self.answers.keys() & other.answers.keys())
        if not shared:
            return None
        own, others = ([row.answers[seed] for seed in shared] for row in (self, other))
        try:
            return difference(own, others, figure)
        except ValueError:
            return None

    @property
    def data_name(self) -> str:
        """`data`, marked where it is simulated."""
        return f"{self.data} (simulated)" if self.simulated else self.data


@dataclass(frozen=True)
class BoardRow:
    """Means over the seeds that have an image of the board."""

    flash_bytes: float
    ram_bytes: float
    cycles: float
    energy_uj: float
    fits: bool
    """All of them."""
    refused: int
    """Seeds without an image because it could not be built."""
    mismatches: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Spread(float(np.mean(values)), deviation, len(values))


def rows(records: Iterable[CellRecord]) -> list[Row]:
    """One row for each configuration and form that at least one finished cell has, in the order of the records."""
    groups: dict[tuple[str, str, str, str], list[tuple[CellRecord, FormRecord]]] = {}
    for record in records:
        if record.status == "done":
            for form, found in record.forms.items():
                groups.setdefault((record.data, record.model, record.training, form), []).append((record, found))
    return [_row(key, members) for key, members in groups.items()]


def _row(key: tuple[str, str, str, str], members: list[tuple[CellRecord, FormRecord]]) -> Row:
    first = members[0][0]
    forms = [form for _, form in members]
    model, source = first.settings["model"], first.settings["data"]
    hidden = first.settings.get("compression", {}).get("hidden") or model["hidden"]
    boards = {board: _board(forms, board) for board in sorted({board for form in forms for board in form.boards})}
    return Row(
        data=key[0],
        simulated=first.data_title.startswith("Simulated"),
        data_set=source["name"],
        source=json.dumps(source, sort_keys=True),
        model=key[1],
        training=key[2],
        form=key[3],
        inputs=first.inputs,
        classes=first.classes,
        architecture=model["architecture"],
        hidden="-".join(map(str, hidden if isinstance(hidden, list) else [hidden])),
        layers=model["layers"],
        parameters=first.parameters,
        parameters_published=first.parameters_published,
        seeds=tuple(sorted(record.seed for record, _ in members)),
        macro_f1=spread([form.macro_f1 for form in forms]),
        accuracy=spread([form.accuracy for form in forms]),
        errors_m=_errors([form.errors_m or {} for form in forms]),
        serialised_bytes=_mean([form.serialised_bytes for form in forms]),
        constant_bytes=_mean([float("nan") if f.constant_bytes is None else f.constant_bytes for f in forms]),
        boards=boards,
        figures=_figures([form.figures for form in forms]),
        answers=_answers(members),
    )


def _figures(found: Sequence[dict[str, float]]) -> dict[str, Spread]:
    shared = [name for name in found[0] if all(name in one for one in found)]
    return {name: spread([one[name] for one in found]) for name in shared}


def _answers(members: list[tuple[CellRecord, FormRecord]]) -> dict[int, Answers]:
    """By seed; empty unless every member has kept its decisions."""
    if not all(record.label and form.decided for record, form in members):
        return {}
    return {record.seed: answers_of(record, form) for record, form in sorted(members, key=lambda one: one[0].seed)}


def answers_of(record: CellRecord, form: FormRecord) -> Answers:
    """The decisions that a record keeps."""
    error = None
    if form.error_cm:
        cm = unpack(form.error_cm).astype(np.float64)
        error = np.where(cm < 0, np.nan, cm / 100)
    label, decided, unit = (unpack(text).astype(np.int64) for text in (record.label, form.decided, record.unit))
    return Answers(Decisions(label, decided, error), unit)


def _errors(found: Sequence[dict[str, float]]) -> dict[str, Spread]:
    shared = [name for name in found[0] if all(name in errors for errors in found)]
    return {name: spread([errors[name] for errors in found]) for name in shared}


def _board(forms: list[FormRecord], board: str) -> BoardRow:
    found = [form.boards[board] for form in forms if board in form.boards]
    return BoardRow(
        flash_bytes=_mean([one.flash_bytes for one in found]),
        ram_bytes=_mean([one.ram_bytes for one in found]),
        cycles=_mean([one.cycles for one in found]),
        energy_uj=_mean([one.energy_uj for one in found]),
        fits=all(one.fits for one in found),
        refused=sum(board in form.not_built for form in forms),
        mismatches=sum(one.mismatches for one in found),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
