"""The verdict for the terminal."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import (
    grouped,
    measured,
    metres,
    microjoules,
    milliseconds,
    score,
    share,
    size,
)
from tinyloc.device.report.summary import latency_ms
from tinyloc.device.report.verdict import agreement, fitting, headline, limit_name, samples_note, stack_note


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table


def quality_table(evaluation: Evaluation) -> Table:
    """Macro F1, accuracy and position error of device, host integer model and float model."""
    rows = [
        (f"device ({evaluation.board})", evaluation.device),
        (f"host {evaluation.arithmetic}", evaluation.host_int),
        ("float PyTorch", evaluation.float_model),
    ]
    has_errors = any(quality.errors_m for _, quality in rows)
    has_floors = any(quality.floor_hit is not None for _, quality in rows)
    table = _table("", "macro F1", "accuracy", *(["floor"] if has_floors else []),
                   *(["mean error", "P50", "P90"] if has_errors else []))  # fmt: skip
    for name, quality in rows:
        errors = quality.errors_m or {}
        shown = [metres(errors[key]) if key in errors else "-" for key in ("mean", "p50", "p90")] if has_errors else []
        floor = ["-" if quality.floor_hit is None else score(quality.floor_hit)] if has_floors else []
        table.add_row(escape(name), score(quality.macro_f1), score(quality.accuracy), *floor, *shown)
    return table


def budget_table(evaluation: Evaluation) -> Table:
    """Each limit, what was used of it, and who set it."""
    table = _table("budget", "used", "limit", "", "set by", "")
    for line in evaluation.budget:
        mark = Text("ok", style="green") if line.ok else Text("OVER", style="bold red")
        used = f"{share(line.used, line.limit):.1f} %"
        table.add_row(
            escape(limit_name(evaluation, line)),
            measured(line.used, line.unit),
            measured(line.limit, line.unit),
            used,
            escape(line.source),
            mark,
        )
    return table


def _details(evaluation: Evaluation) -> Iterator[str]:
    ram, flash = evaluation.ram, evaluation.flash
    yield (
        f"RAM    {size(ram.total)} = arena {size(ram.arena)} + state {size(ram.state)} "
        f"+ localiser's buffers {size(ram.localiser)} + stack {size(ram.stack)} + static {size(ram.static)}"
    )
    yield f"       {stack_note(evaluation)}"
    parts = [(name.replace("_", " "), count) for name, count in flash.model_dump().items() if name != "total" and count]
    parts.sort(key=lambda part: -part[1])
    yield f"Flash  {size(flash.total)} = {' + '.join(f'{name} {size(count)}' for name, count in parts)}"
    latency = latency_ms(evaluation)
    if evaluation.cycles is not None and latency is not None:
        yield (
            f"Time   {grouped(evaluation.cycles.median)} cycles per sample (median of "
            f"{grouped(evaluation.measured_samples)} {evaluation.cycles_kind}; largest "
            f"{grouped(evaluation.cycles.max)}) = {milliseconds(latency)} at {evaluation.clock_hz / 1e6:g} MHz"
        )
    if evaluation.energy is not None:
        study = evaluation.energy.study_microjoule
        other = f"; {microjoules(study)} with the currents of the study" if study is not None else ""
        own = microjoules(evaluation.energy.microjoule)
        yield f"Energy {own} per inference{other}; estimated from cycles and currents"


def short_verdict(evaluation: Evaluation) -> RenderableType:
    """Make the verdict alone: passed or not, on which board, and why."""
    style = "bold green" if evaluation.passed else "bold red"
    title = Text.assemble(
        (headline(evaluation), style),
        f"  {evaluation.name} ({evaluation.architecture}, {evaluation.arithmetic}) on {evaluation.board_title}",
    )
    lines = [title, Text(f"{agreement(evaluation)} {fitting(evaluation)}")]
    if note := samples_note(evaluation):
        lines.append(Text(note, style="yellow"))
    return Group(*lines)


def verdict(evaluation: Evaluation, report: Path | None = None) -> RenderableType:
    """Make the verdict with tables of quality, budget, memory, time and energy; `report` is the HTML page."""
    lines: list[RenderableType] = [short_verdict(evaluation), Text(), quality_table(evaluation), Text()]
    if evaluation.budget:
        lines += [budget_table(evaluation), Text()]
    lines += [Text(line) for line in _details(evaluation)]
    if evaluation.unseen_class_samples:
        count = grouped(evaluation.unseen_class_samples)
        lines.append(Text(f"{count} decisions belong to classes that were never trained; they count as errors."))
    if report is not None:
        lines += [Text(), Text(f"Report: {report}")]
    return Group(*lines)
