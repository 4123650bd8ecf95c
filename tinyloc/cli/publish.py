"""What both evaluations end with: record, report, verdict, exit code."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tinyloc.cli.layout import RunLayout, write_json

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.device.evaluation.evaluation_record import Evaluation
    from tinyloc.device.link.transport import Transport

FOUND_WANTING = 1
"""Exit code: over budget, or the device answered otherwise than the host."""


def publish(evaluation: "Evaluation", layout: RunLayout, json: Path | None) -> None:
    """Write record, HTML page and JSON, print the verdict, and end with FOUND_WANTING when it is not a pass."""
    from rich.console import Console

    from tinyloc.device.report.html import render_html
    from tinyloc.device.report.record import save_evaluation
    from tinyloc.device.report.summary import summary
    from tinyloc.device.report.text import verdict
    from tinyloc.files import write_whole

    backend = evaluation.backend
    page = layout.report(evaluation.board, backend)
    save_evaluation(evaluation, layout.evaluation(evaluation.board, backend))
    write_whole(page, render_html(evaluation))
    write_json(json, summary(evaluation))
    Console().print(verdict(evaluation, page), soft_wrap=True)
    if not evaluation.passed:
        raise typer.Exit(FOUND_WANTING)


def tell_layers(layout: RunLayout, generated: Path, board: "Board", device: "Transport", json: Path | None) -> None:
    """Compare the device layer by layer, say where it first differs, and then end with FOUND_WANTING."""
    from dataclasses import asdict

    from tinyloc.cli.progress import samples_shown
    from tinyloc.device.evaluation.debug_layers import compare_layers

    with samples_shown("samples, layer by layer") as progress:
        comparison = compare_layers(layout.bundle, generated, board, device, progress)
    write_json(json, {**asdict(comparison), "equal": comparison.equal})
    typer.echo(comparison.text())
    if not comparison.equal:
        raise typer.Exit(FOUND_WANTING)
