"""The end of an evaluation: record, report, verdict, exit code."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tinyloc.api.run_layout import RunLayout
from tinyloc.cli.console import output, quiet
from tinyloc.cli.outputs import write_json

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.device.evaluation.evaluation_record import Evaluation
    from tinyloc.device.link.key import SharedKey
    from tinyloc.device.link.transport import Transport

FAILED = 1
"""Exit code: over budget, or the device's answers differ from the host's."""


def show_verdict(evaluation: "Evaluation", page: Path) -> None:
    """Print the verdict of an evaluation; with --quiet only its first lines."""
    from tinyloc.device.report.text import short_verdict, verdict

    output().print(short_verdict(evaluation) if quiet() else verdict(evaluation, page), soft_wrap=True)


def publish(evaluation: "Evaluation", layout: RunLayout, json: Path | None) -> None:
    """Write record, HTML page and JSON, print the verdict, and exit with FAILED if it is not a pass."""
    from tinyloc.device.image.library_record import load_sizes
    from tinyloc.device.report.html import render_html
    from tinyloc.device.report.record import save_evaluation
    from tinyloc.device.report.summary import summary
    from tinyloc.files import write_whole

    backend = evaluation.backend
    page = layout.report(evaluation.board, backend)
    save_evaluation(evaluation, layout.evaluation(evaluation.board, backend))
    write_whole(page, render_html(evaluation, load_sizes(page.parent, evaluation.model_id)))
    write_json(json, summary(evaluation))
    show_verdict(evaluation, page)
    if not evaluation.passed:
        raise typer.Exit(FAILED)


def publish_layers(
    layout: RunLayout,
    generated: Path,
    board: "Board",
    device: "Transport",
    json: Path | None,
    link_key: "SharedKey | None" = None,
) -> None:
    """Compare the device with the host layer by layer, print the first difference, and exit with FAILED if any."""
    from dataclasses import asdict

    from tinyloc.cli.progress import samples_shown
    from tinyloc.device.evaluation.debug_layers import compare_layers

    with samples_shown("samples, layer by layer") as progress:
        comparison = compare_layers(layout.bundle, generated, board, device, progress, link_key=link_key)
    write_json(json, {**asdict(comparison), "equal": comparison.equal})
    typer.echo(comparison.text())
    if not comparison.equal:
        raise typer.Exit(FAILED)
