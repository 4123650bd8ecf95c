"""`tinyloc report`: pages and figures of evaluations, from their records."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.api.run_layout import RunError, RunLayout
from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunsDirOption
from tinyloc.cli.outputs import JsonOption, checked_output, write_json, write_output
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from tinyloc.device.evaluation.evaluation_record import Evaluation


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Runs: names below --runs-dir, or directories.", autocompletion=complete.runs
        ),
    ],
    board: Annotated[
        str | None,
        typer.Option(
            "--board", help="Show this board only. Default: all evaluated boards.", autocompletion=complete.boards
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write the HTML page to this file; - is standard output. Default: in the run.",
            callback=checked_output,
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Write a summary for a pull request to this file.",
            callback=checked_output,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML to this file.", callback=checked_output),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="OLD.json",
            help="Compare with this evaluation-BOARD.json. Exit code 1 if a figure became worse beyond its tolerance.",
        ),
    ] = None,
    fail_over_budget: Annotated[
        bool, typer.Option("--fail-over-budget", help="Exit with code 1 if a budget is exceeded or answers differ.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Show the verdicts of the last evaluations and write their HTML reports.

    Writes one page per evaluation, and a page that compares them if there are several.
    """

    from tinyloc.cli.publish import FAILED, show_verdict
    from tinyloc.device.image.library_record import load_sizes
    from tinyloc.device.report.baseline import find_baseline
    from tinyloc.device.report.baseline import lines as baseline_lines
    from tinyloc.device.report.comparison import render_comparison
    from tinyloc.device.report.html import render_html
    from tinyloc.device.report.junit import junit as junit_text
    from tinyloc.device.report.markdown import markdown as markdown_text
    from tinyloc.device.report.summary import summary

    found = [pair for run in runs for pair in _evaluations(find_run(run, runs_dir), board)]
    evaluations = [evaluation for _, evaluation in found]
    single = len(found) == 1
    beside = {} if baseline is None else find_baseline(baseline, evaluations)
    compared = list(beside.values())
    for number, (path, evaluation) in enumerate(found):
        page = output if output is not None and single else _page(path)
        write_output(page, render_html(evaluation, load_sizes(path.parent, evaluation.model_id), beside.get(number)))
        show_verdict(evaluation, page)
    for each in compared:
        say("\n".join(baseline_lines(each)))
    if not single:
        page = output or (runs_dir if len(runs) > 1 else find_run(runs[0], runs_dir).path) / "comparison.html"
        links = [os.path.relpath(_page(path), page.parent).replace(os.sep, "/") for path, _ in found]
        write_output(page, render_comparison(evaluations, links))
        say(f"Comparison: {page}")
    if markdown is not None:
        write_output(markdown, markdown_text(evaluations, compared))
    if junit is not None:
        write_output(junit, junit_text(evaluations, compared))
    write_json(json, summary(evaluations[0]) if single else [summary(evaluation) for evaluation in evaluations])
    if fail_over_budget and not all(evaluation.passed for evaluation in evaluations):
        raise typer.Exit(FAILED)
    if any(each.regressions for each in compared):
        raise typer.Exit(FAILED)


def _page(record: Path) -> Path:
    """Give the page of a record: evaluation-<board>.json -> report-<board>.html."""
    return record.with_name(record.name.replace("evaluation", "report", 1)).with_suffix(".html")


def _evaluations(layout: RunLayout, board: str | None) -> list[tuple[Path, "Evaluation"]]:
    """Load the records of a run, of one board or of all. Raises RunError if there is none."""
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
