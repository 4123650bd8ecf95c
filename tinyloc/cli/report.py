"""`tinyloc report`: the pages and figures of evaluations, made again from their records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.layout import (
    RUNS_DIR,
    JsonOption,
    RunError,
    RunLayout,
    RunsDirOption,
    checked_output,
    find_run,
    write_json,
)

if TYPE_CHECKING:
    from tinyloc.device.evaluation.evaluation_record import Evaluation


def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs: names below --runs-dir, or directories.")],
    board: Annotated[
        str | None, typer.Option("--board", help="Only this board; without it every board that was evaluated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write the HTML page.", callback=checked_output)
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", help="Write a summary for a pull request there.", callback=checked_output),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML for CI there.", callback=checked_output)
    ] = None,
    fail_over_budget: Annotated[
        bool, typer.Option("--fail-over-budget", help="Exit code 1 when a budget is exceeded or answers differ.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Show the verdict of the last evaluations and write their HTML report.

    One evaluation gets its own page; of several, a page each and one that compares them.
    """
    from rich.console import Console

    from tinyloc.cli.publish import FOUND_WANTING
    from tinyloc.device.report.comparison import render_comparison
    from tinyloc.device.report.html import render_html
    from tinyloc.device.report.junit import junit as junit_text
    from tinyloc.device.report.markdown import markdown as markdown_text
    from tinyloc.device.report.summary import summary
    from tinyloc.device.report.text import verdict
    from tinyloc.files import write_whole

    found = [pair for run in runs for pair in _evaluations(find_run(run, runs_dir), board)]
    evaluations = [evaluation for _, evaluation in found]
    single = len(found) == 1
    for path, evaluation in found:
        page = output if output is not None and single else _page(path)
        write_whole(page, render_html(evaluation))
        Console().print(verdict(evaluation, page), soft_wrap=True)
    if not single:
        page = output or (runs_dir if len(runs) > 1 else find_run(runs[0], runs_dir).path) / "comparison.html"
        write_whole(page, render_comparison(evaluations))
        Console().print(f"compared: {page}", soft_wrap=True, markup=False)
    if markdown is not None:
        write_whole(markdown, markdown_text(evaluations))
    if junit is not None:
        write_whole(junit, junit_text(evaluations))
    write_json(json, summary(evaluations[0]) if single else [summary(evaluation) for evaluation in evaluations])
    if fail_over_budget and not all(evaluation.passed for evaluation in evaluations):
        raise typer.Exit(FOUND_WANTING)


def _page(record: Path) -> Path:
    """evaluation-<what>.json -> report-<what>.html."""
    return record.with_name(record.name.replace("evaluation", "report", 1)).with_suffix(".html")


def _evaluations(layout: RunLayout, board: str | None) -> list[tuple[Path, "Evaluation"]]:
    """Records of a run and what is in them, of one board or of all. RunError when there is none."""
    from tinyloc.device.report.record import load_evaluation

    loaded = [(path, load_evaluation(path)) for path in sorted(layout.path.glob("evaluation-*.json"))]
    chosen = [(path, evaluation) for path, evaluation in loaded if board in (None, evaluation.board)]
    if not chosen:
        of_board = f" --board {board}" if board else ""
        had = ", ".join(sorted({evaluation.board for _, evaluation in loaded}))
        raise RunError(
            f"{layout.path} has no evaluation{f' of {board}; it has {had}' if had else ''}; make one with "
            f"`tinyloc emulate {layout.path}{of_board}`"
        )
    return chosen
