"""The verdict for the terminal."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tinyloc.bundle.comparison import Comparison
from tinyloc.device.evaluation.evaluation_record import Distribution, Evaluation, Quality
from tinyloc.device.report.baselines import (
    BASELINE_COLUMNS,
    FIGURE_NAMES,
    coverage_lines,
    figure_text,
    interval_lines,
    standing,
)
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
from tinyloc.device.report.verdict import (
    agreement,
    chance_sentence,
    fitting,
    headline,
    limit_name,
    samples_note,
    stack_note,
)


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
    hits = [name for name in ("floor", "building") if any(_hit(quality, name) is not None for _, quality in rows)]
    has_score = any(quality.evaal_m is not None for _, quality in rows)
    table = _table("", "macro F1", "accuracy", *hits, *(["mean error", "P50", "P75", "P90"] if has_errors else []),
                   *(["EvAAL"] if has_score else []))  # fmt: skip
    for name, quality in rows:
        errors = quality.errors_m or {}
        keys = ("mean", "p50", "p75", "p90") if has_errors else ()
        shown = [metres(errors[key]) if key in errors else "-" for key in keys]
        shown += ["-" if quality.evaal_m is None else metres(quality.evaal_m)] if has_score else []
        shares = ["-" if (hit := _hit(quality, name)) is None else score(hit) for name in hits]
        table.add_row(escape(name), score(quality.macro_f1), score(quality.accuracy), *shares, *shown)
    return table


def _hit(quality: Quality, what: str) -> float | None:
    return quality.floor_hit if what == "floor" else quality.building_hit


def baseline_table(comparison: Comparison) -> Table:
    """The simple methods on the same split, with the bytes that their data would need."""
    columns = [name for name in BASELINE_COLUMNS if any(name in each.figures for each in comparison.baselines)]
    table = _table("same split", *(FIGURE_NAMES[name] for name in columns), "data")
    for baseline in comparison.baselines:
        shown = [figure_text(name, baseline.figures[name]) if name in baseline.figures else "-" for name in columns]
        table.add_row(escape(baseline.name), *shown, size(baseline.data_bytes) if baseline.data_bytes else "-")
    return table


def budget_table(evaluation: Evaluation) -> Table:
    """Each limit, what was used of it, and who set it."""
    table = _table("budget", "used", "limit", "", "set by", "")
    for line in evaluation.budget:
        mark = Text("ok", style="green") if line.ok else Text("MISSED" if line.at_least else "OVER", style="bold red")
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
            f"{grouped(evaluation.cycles.max)}) = {milliseconds(_milliseconds(evaluation, evaluation.cycles))} at "
            f"{evaluation.clock_hz / 1e6:g} MHz{' without wait states' if evaluation.waited else ''}"
        )
    if evaluation.waited is not None and latency is not None:
        waited = evaluation.waited
        yield (
            f"       {grouped(waited.cycles.median)} cycles with {waited.timing} (median of {grouped(waited.samples)}; "
            f"largest {grouped(waited.cycles.max)}) = {milliseconds(latency)}: these decide"
        )
    if evaluation.energy is not None:
        study = evaluation.energy.study_microjoule
        other = f"; {microjoules(study)} with the currents of the study" if study is not None else ""
        own = microjoules(evaluation.energy.microjoule)
        yield f"Energy {own} per inference{other}; estimated from cycles and currents"


def _milliseconds(evaluation: Evaluation, cycles: Distribution) -> float:
    return 1e3 * cycles.median / evaluation.clock_hz


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
    if evaluation.no_better_than_chance:
        lines.append(Text(chance_sentence(evaluation), style="bold red"))
    return Group(*lines)


def verdict(evaluation: Evaluation, report: Path | None = None) -> RenderableType:
    """Make the verdict with tables of quality, budget, memory, time and energy; `report` is the HTML page."""
    lines: list[RenderableType] = [short_verdict(evaluation), Text(), quality_table(evaluation), Text()]
    lines += [Text(line) for line in (*interval_lines(evaluation), *coverage_lines(evaluation))]
    if evaluation.comparison is not None:
        lines += [
            baseline_table(evaluation.comparison),
            *(Text(line) for line in standing(evaluation.comparison)),
            Text(),
        ]
    if evaluation.budget:
        lines += [budget_table(evaluation), Text()]
    lines += [Text(line) for line in _details(evaluation)]
    if evaluation.unseen_class_samples:
        count = grouped(evaluation.unseen_class_samples)
        lines.append(Text(f"{count} decisions belong to classes that were never trained; they count as errors."))
    if report is not None:
        lines += [Text(), Text(f"Report: {report}")]
    return Group(*lines)
