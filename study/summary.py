"""Records of cells -> rows: mean and spread over seeds of each form of each configuration."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.device.evaluation.form_record import FormRecord
from tinyloc.study.record import CellRecord


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
    )


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
