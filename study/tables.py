"""Tables of a study in Markdown and CSV, made from the records of its cells and nothing else."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from tinyloc.bundle.comparison import Protocol
from tinyloc.escape import markdown_text
from tinyloc.study import published
from tinyloc.study.record import CellRecord, is_of_another_recipe
from tinyloc.study.spec import Study, cells
from tinyloc.study.statistics import verdict
from tinyloc.study.summary import Row, Spread, rows
from tinyloc.training.packed import unpack

BUDGETS_KB = (20, 32, 64)
BASELINE = "plain"
STUDY_COLUMNS = (("baseline", "plain", "float"), ("dynamic", "plain", "dynamic"), ("static", "plain", "static"),
                 ("distilled", "distilled", "float"), ("distilled + static", "distilled", "static"))  # fmt: skip
"""Columns of the study: training and form of ours."""


def markdown(
    title: str,
    comment: str,
    records: Sequence[CellRecord],
    planned: int | None = None,
    compare: Sequence[tuple[str, str]] = (),
    positions: bool = False,
) -> str:
    """The whole page: the study's table, what is deployed, distillation, orderings, what failed.

    planned: cells of the grid, where it is known; compare and positions: see `Study`.
    """
    found = rows(records)
    parts = [f"# {title}", "", "Made by `tinyloc study table` from the JSON in `cells/`; do not edit.", ""]
    if comment:
        parts += [comment.strip(), ""]
    parts += [*_provenance(records, planned), ""]
    sections = [
        _study_table(found), _deployed_table(found), _baseline_table(records), _hits_table(found),
        _outlier_table(records),
        _distillation_table(found), _comparison_table(found, compare), _budget_table(found), _published_table(found),
    ]  # fmt: skip
    if positions:
        sections.insert(0, _positions_table(found))
    for lines in sections:
        if lines:
            parts += [*lines, ""]
    parts += _missing(records)
    return "\n".join(parts).rstrip() + "\n"


def page(study: Study, place: Path, records: Sequence[CellRecord]) -> str:
    """`markdown` of a study whose file lies in `place`."""
    planned = cells(study, place)
    text = markdown(study.title or study.name, study.comment, records, len(planned), study.compare, study.positions)
    by_id = {cell.id: cell for cell in planned}
    other = [one.id for one in records if one.id in by_id and is_of_another_recipe(one, by_id[one.id])]
    other += [one.id for one in records if one.id not in by_id]
    if not other:
        return text
    return text + "\n".join(
        ["", "## Of another recipe", "",
         f"{len(other)} of the {len(records)} results are of another recipe than the study has today: its settings "
         "have changed since. `tinyloc study run` makes them anew.", ""]
    )  # fmt: skip


def _provenance(records: Sequence[CellRecord], planned: int | None) -> list[str]:
    done = [record for record in records if record.status == "done"]
    cells_planned = len(records) if planned is None else planned
    versions = sorted({f"{name} {value}" for record in done for name, value in record.versions.items()})
    minutes = sum(record.seconds for record in done) / 60
    older = sum(record.comparison is None for record in done)
    protocols = sorted({_protocol(record.comparison.protocol) for record in done if record.comparison is not None})
    if older:
        protocols.append(f"{older} results are older than the protocol and not comparable with newer ones")
    licences = sorted({markdown_text(f"{record.data_title} ({record.licence})") for record in done})
    return [
        f"{len(done)} of {cells_planned} cells; {minutes:.0f} minutes of training on one thread of a shared machine. "
        f"Versions: {', '.join(versions)}. Evaluation protocol: {'; '.join(protocols)}. Data: {'; '.join(licences)}.",
        "",
        "Macro F1 and accuracy are of the test set, mean ± standard deviation over the seeds; in brackets the 95 % "
        "interval over seeds and test set (whole units are drawn, docs/concepts/evaluation.md). `int8` and `int16x8` "
        "are scored on the answers of the generated C; flash, RAM (with stack), cycles and energy are of the whole "
        "image in the emulator (modelled, without flash wait states, docs/concepts/emulator.md).",
    ]


def _protocol(found: Protocol) -> str:
    parts = {"evaluation": found.evaluation, "splits": found.splits, "simulator": found.simulator}
    return ", ".join(f"{name} {number}" for name, number in parts.items() if number is not None)


def percent(value: Spread) -> str:
    """As 0.812 ± 0.010; without the spread for one seed."""
    return f"{value.mean:.3f} ± {value.deviation:.3f}" if value.count > 1 else f"{value.mean:.3f}"


def kilobytes(value: float) -> str:
    """Bytes in units of 1024; a dash when there is none."""
    return "–" if math.isnan(value) else f"{value / 1024:.1f}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Markdown lines of a table, the first column left."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)]


def _grouped(found: Iterable[Row], key: Callable[[Row], tuple[str, ...]]) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in found:
        groups.setdefault(key(row), []).append(row)
    return groups


def _positions_table(found: list[Row]) -> list[str]:
    """Position errors of every form, beside the published ones where the data set is theirs."""
    theirs = any(row.data_set == published.POSITIONS_DATA and row.errors_m for row in found)
    lines = [
        [f"{one.name} (published)", "float", "", *(f"{m:.2f}" for m in (one.p50, one.p75, one.p80, one.p90)),
         "–", f"{one.largest:.2f}", "–"]
        for one in (published.POSITIONS if theirs else ())
    ]  # fmt: skip
    for row in found:
        if not row.errors_m:
            continue
        flash = kilobytes(max((image.flash_bytes for image in row.boards.values()), default=math.nan))
        p80 = row.percentile_m(80)
        shown = {**{name: metres(one) for name, one in row.errors_m.items()}, "p80": metres(p80) if p80 else "–"}
        errors = [shown[name] for name in ("p50", "p75", "p80", "p90", "mean", "max")]
        configuration = f"{row.data_name}, {row.model}, {row.training}"
        lines.append([configuration, row.form, str(row.macro_f1.count), *errors, flash])
    head = ["data, model, training", "form", "seeds", "P50, m", "P75, m", "P80, m", "P90, m", "mean, m",
            "largest, m", "flash, KB"]  # fmt: skip
    note = (
        "Distance from the true to the decided position over the whole test set, in metres. Flash: of the image, on "
        "the board where it is largest."
    )
    if theirs:
        note += (
            " The scans and their true positions are the published ones', blocks and classes are ours. Published: "
            f"{published.POSITIONS_SOURCE}; on a GPU, with blocks of 4 m."
        )
    return ["## Positions", "", note, "", *table(head, lines)]


def metres(value: Spread) -> str:
    """As 7.19 ± 0.08; without the spread for one seed."""
    return f"{value.mean:.2f} ± {value.deviation:.2f}" if value.count > 1 else f"{value.mean:.2f}"


def _study_table(found: list[Row]) -> list[str]:
    """F1, accuracy and serialised size in the study's five columns."""
    lines = []
    for (_, model), members in _grouped(found, lambda row: (row.data, row.model)).items():
        by = {(row.training, row.form): row for row in members}
        chosen = [by.get(column[1:]) for column in STUDY_COLUMNS]
        if not any(chosen):
            continue
        for what, show in (("F1", _f1), ("accuracy", _accuracy), ("KB", _serialised)):
            first = members[0]
            known = published.PARAMETERS.get(_shape(first)) == first.parameters_published
            count = f"{first.parameters_published:,}{' (published)' if known else ''}"
            name = f"{first.data_name}, {model}" if what == "F1" else ""
            lines.append([name, count if what == "F1" else "", what, *(show(row) if row else "–" for row in chosen)])
    if not lines:
        return []
    head = ["data, model", "parameters", "", *(name for name, _, _ in STUDY_COLUMNS)]
    return [
        "## The study's table",
        "",
        f"Columns as in {published.SOURCE}; KB is the serialised model (torch.save), as the study counts. A dash: not "
        "run. `(published)`: the count of parameters, dead ones included, is the one that the study prints.",
        "",
        *table(head, lines),
    ]


def _shape(row: Row) -> tuple[int, int, str, int, int]:
    hidden = int(row.hidden) if row.hidden.isdigit() else 0
    return row.inputs, row.classes, row.architecture, hidden, row.layers


def _f1(row: Row) -> str:
    return with_interval(row)


def with_interval(row: Row) -> str:
    """Mean ± deviation of macro F1 over the seeds, and the interval where decisions are kept."""
    found = row.interval()
    return percent(row.macro_f1) + (f" [{found.low:.3f}, {found.high:.3f}]" if found else "")


def _accuracy(row: Row) -> str:
    return percent(row.accuracy)


def _serialised(row: Row) -> str:
    return kilobytes(row.serialised_bytes)


def _deployed_table(found: list[Row]) -> list[str]:
    """What runs on the boards."""
    lines = []
    for row in found:
        for board, image in row.boards.items():
            error = f"{row.errors_m['mean'].mean:.2f}" if row.errors_m else "–"
            lines.append(
                [
                    f"{row.data_name}, {row.model}, {row.training}", row.form, board, str(row.macro_f1.count),
                    with_interval(row), percent(row.accuracy), error, kilobytes(row.serialised_bytes),
                    kilobytes(row.constant_bytes), kilobytes(image.flash_bytes), kilobytes(image.ram_bytes),
                    f"{image.cycles:,.0f}", f"{image.energy_uj:.1f}", "yes" if image.fits else "no",
                ]
            )  # fmt: skip
    if not lines:
        return []
    head = ["data, model, training", "form", "board", "seeds", "macro F1", "accuracy", "error, m", "file, KB",
            "constants, KB", "flash, KB", "RAM, KB", "cycles", "µJ", "within budget"]  # fmt: skip
    return [
        "## On the boards",
        "",
        "Three sizes: the serialised file, the constants on the device, the flash of the whole image.",
        "",
        *table(head, lines),
    ]


def _distillation_table(found: list[Row]) -> list[str]:
    """Every distilled or compressed row beside the same model trained plainly."""
    by = {(row.data, row.model, row.training, row.form): row for row in found}
    lines = []
    for row in found:
        plain = by.get((row.data, row.model, BASELINE, row.form))
        if row.training == BASELINE or plain is None:
            continue
        told = {"first": "yes", "second": "worse"}
        gain, why = _compared(row, plain)
        lines.append(
            [
                f"{row.data_name}, {row.model}", row.training, row.form, percent(plain.macro_f1), percent(row.macro_f1),
                gain, told.get(why, why),
            ]
        )  # fmt: skip
    if not lines:
        return []
    head = ["data, model", "training", "form", "plain", "with this training", "difference", "better"]
    return ["## Against plain training", "", *table(head, lines)]


def _compared(first: Row, second: Row) -> tuple[str, str]:
    """First minus second, and "first", "second" or "no difference".

    By the paired bootstrap over seeds and test set; without kept decisions, by the larger deviation over seeds.
    """
    found = first.against(second)
    if found is not None:
        return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]", verdict(found)
    gain = first.macro_f1.mean - second.macro_f1.mean
    noise = max(row.macro_f1.deviation for row in (first, second))
    return f"{gain:+.3f}", _verdict(gain, noise, min(row.macro_f1.count for row in (first, second)))


def _verdict(gain: float, noise: float, seeds: int) -> str:
    if seeds < 2:
        return "one seed: not known"
    return "first" if gain > noise else "second" if -gain > noise else "no difference"


def _baseline_table(records: Sequence[CellRecord]) -> list[str]:
    """The simple methods on each data set, with the bytes that they would take on a device."""
    lines: list[list[str]] = []
    seen = set()
    positions = any(record.comparison is not None and record.comparison.positions for record in records)
    columns = {**(METRES if positions else {}), **HITS}
    for record in records:
        if record.comparison is None:
            continue
        for one in record.comparison.baselines:
            low, high = one.intervals.get("macro_f1", (math.nan, math.nan))
            key = record.data, one.name, one.figures.get("macro_f1")
            if key in seen:
                continue
            seen.add(key)
            figures = [f"{one.figures[name]:.3f}" if name in one.figures else "–" for name in columns]
            f1 = f"{one.figures['macro_f1']:.3f} [{low:.3f}, {high:.3f}]"
            lines.append([f"{record.data}, {one.name}", one.settings, f1, f"{one.figures['accuracy']:.3f}", *figures,
                          f"{one.data_bytes:,}"])  # fmt: skip
    if not lines:
        return []
    head = ["data, method", "chosen on validation", "macro F1", "accuracy", *columns.values(), "data, B"]
    note = "Fitted on training and validation; bytes of the data without code (docs/concepts/evaluation.md)."
    worth = [sentence for sentence in dict.fromkeys(_rare(record) for record in records) if sentence]
    return ["## Simple methods on the same split", "", note, "", *worth, "", *table(head, lines)]


METRES = {"error_mean_m": "mean, m", "error_p50_m": "P50, m", "error_p90_m": "P90, m"}
"""Figures of the protocol where a decision is a position."""
HITS = {"building_hit": "building", "floor_hit": "floor", "evaal_m": "EvAAL, m"}
"""Figures of the protocol where classes lie on several floors or in several buildings."""
RARE = 6
"""A class with so few test decisions counts in macro F1 as much as any other."""


def _rare(record: CellRecord) -> str:
    """What macro F1 is worth where classes have few test decisions; "" where none has."""
    if not record.label:
        return ""
    label = unpack(record.label)
    counts = np.bincount(label[label >= 0], minlength=record.classes)
    rare, none = int(((counts > 0) & (counts <= RARE)).sum()), int((counts == 0).sum())
    if not rare:
        return ""
    share = rare / max(1, int((counts > 0).sum()))
    decisions = int(counts[counts <= RARE].sum())
    return (
        f"- {record.data}: {rare} of {record.classes} classes have 1 to {RARE} test decisions, {decisions} of "
        f"{counts.sum()} in all, and yet make {share:.0%} of macro F1; {none} have none. One decision in such a class "
        f"moves macro F1 by up to {1 / max(1, int((counts > 0).sum())):.3f}: read it with accuracy and its interval."
    )


def _outlier_table(records: Sequence[CellRecord]) -> list[str]:
    """How many input columns LLM.int8() computes in half precision."""
    lines = [
        [record.id, form, f"{one.outliers['threshold']:.3g}",
         f"{one.outliers['columns']:.0f} of {one.outliers['of']:.0f}", f"{one.macro_f1:.3f}"]
        for record in records
        for form, one in record.forms.items()
        if one.outliers
    ]  # fmt: skip
    if not lines:
        return []
    note = "Input columns of linear layers that reach the threshold somewhere in the test set."
    return ["## Outliers of LLM.int8()", "", note, "",
            *table(["cell", "form", "threshold", "columns", "macro F1"], lines)]  # fmt: skip


def _hits_table(found: list[Row]) -> list[str]:
    """Building, floor and EvAAL score of the forms, where the data have floors."""
    lines = []
    for row in found:
        if "evaal_m" in row.figures:
            shown = [f"{row.figures[name].mean:.3f}" if name in row.figures else "–" for name in HITS]
            lines.append([f"{row.data_name}, {row.model}, {row.training}", row.form, str(row.macro_f1.count), *shown])
    if not lines:
        return []
    note = "EvAAL: mean error, 50 m more for a wrong building, 4 m more for a wrong floor."
    return ["## Buildings and floors", "", note, "",
            *table(["data, model, training", "form", "seeds", *HITS.values()], lines)]  # fmt: skip


def _comparison_table(found: list[Row], compare: Sequence[tuple[str, str]]) -> list[str]:
    """The pairs of `compare` on every data set that has both."""
    by = {(row.data, _configuration(row)): row for row in found}
    lines = []
    for first, second in compare:
        for data in dict.fromkeys(row.data for row in found):
            if (data, first) not in by or (data, second) not in by:
                continue
            pair = by[data, first], by[data, second]
            ahead, better = _compared(*pair)
            sizes = [kilobytes(max((image.flash_bytes for image in row.boards.values()), default=math.nan))
                     for row in pair]  # fmt: skip
            quality = [percent(row.macro_f1) for row in pair]
            lines.append([pair[0].data_name, first, second, *quality, ahead, better, *sizes])
    if not lines:
        return []
    head = ["data", "first", "second", "macro F1 of the first", "of the second", "difference",
            "better", "flash of the first, KB", "of the second, KB"]  # fmt: skip
    note = (
        "Flash: of the image, on the board where it is largest. Better: the 95 % interval of the paired difference "
        "over seeds and test set leaves out 0; without an interval, by more than the larger deviation over the seeds."
    )
    return ["## Comparisons", "", note, "", *table(head, lines)]


def _configuration(row: Row) -> str:
    return f"{row.model}, {row.training}, {row.form}"


def _budget_table(found: list[Row]) -> list[str]:
    """The best model of each data set whose image is within a limit of flash, on each board."""
    lines = []
    for (data,), members in _grouped(found, lambda row: (row.data_name,)).items():
        for limit in BUDGETS_KB:
            best = max(
                (
                    (row.macro_f1.mean, -image.flash_bytes, row, board)
                    for row in members
                    for board, image in row.boards.items()
                    if image.flash_bytes <= limit * 1024 and not image.refused
                ),
                key=lambda found: found[:2],
                default=None,
            )
            if best is not None:
                *_, row, board = best
                size = kilobytes(row.boards[board].flash_bytes)
                lines.append([f"{data}", str(limit), _configuration(row), percent(row.macro_f1),
                              percent(row.accuracy), f"{size} ({board})"])  # fmt: skip
    if not lines:
        return []
    head = ["data", "flash limit, KB", "best", "macro F1", "accuracy", "flash, KB"]
    note = "By mean macro F1 on the test set: a summary of the rows above. To deploy one, choose by validation."
    return ["## Best within a flash limit", "", note, "", *table(head, lines)]


def _published_table(found: list[Row]) -> list[str]:
    """Ours beside the study's, on UJIIndoorLoc."""
    ours = [row for row in found if row.data_set == "ujiindoorloc" and row.classes == 59 and row.boards]
    if not ours:
        return []
    lines = [
        [one.name, f"{one.macro_f1:.3f}", f"{one.accuracy:.3f}", f"{one.kilobytes:g}", "–", "–"]
        for one in published.ROWS
    ]
    for row in ours:
        flash = max(image.flash_bytes for image in row.boards.values())
        lines.append(
            [f"{row.data_name}, {_configuration(row)}", percent(row.macro_f1), percent(row.accuracy),
             kilobytes(row.serialised_bytes), kilobytes(row.constant_bytes), kilobytes(flash)]
        )  # fmt: skip
    head = [f"model (first {published.SOURCE})", "macro F1", "accuracy", "file, KB", "constants, KB", "flash, KB"]
    return ["## Published figures for comparison (UJIIndoorLoc)", "", published.SAME_COUNT, "", *table(head, lines)]


def _missing(records: Sequence[CellRecord]) -> list[str]:
    """Cells and forms that have no figures, with the reason."""
    lines = [f"- {record.id}: {record.status}: {record.error}" for record in records if record.status != "done"]
    lines += [f"- {record.id}, {form}: {why}" for record in records for form, why in record.missing.items()]
    lines += [
        f"- {record.id}, {form}, {board}: {why}"
        for record in records
        for form, found in record.forms.items()
        for board, why in found.not_built.items()
    ]
    return ["## Without figures", "", *lines] if lines else []


def comma_separated(records: Sequence[CellRecord]) -> str:
    """One line for each cell, form and board (no board: empty), with every figure; for other tools."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["data", "model", "training", "seed", "form", "board", "parameters", "parameters_published", "macro_f1",
         "accuracy", "error_mean_m", "serialised_bytes", "constant_bytes", "flash_bytes", "ram_bytes", "cycles",
         "energy_uj", "fits"]
    )  # fmt: skip
    for record in records:
        for name, form in record.forms.items():
            head = [record.data, record.model, record.training, record.seed, name]
            error = (form.errors_m or {}).get("mean", "")
            figures = [record.parameters, record.parameters_published, form.macro_f1, form.accuracy, error,
                       form.serialised_bytes, "" if form.constant_bytes is None else form.constant_bytes]  # fmt: skip
            for board, image in form.boards.items():
                writer.writerow([*head, board, *figures, image.flash_bytes, image.ram_bytes, image.cycles,
                                 image.energy_uj, image.fits])  # fmt: skip
            if not form.boards:
                writer.writerow([*head, "", *figures, "", "", "", "", ""])
    return out.getvalue()
