"""`tinyloc compare`: one model on every back end, in one table."""

from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import note, output, quiet
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    TABLE_WIDTH,
    AllMeasuredOption,
    ArithmeticOption,
    BoardOption,
    LevelOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from tinyloc.device.evaluation.evaluation_record import Evaluation
    from tinyloc.device.report.compare_backends import Row


def compare(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    backends: Annotated[
        str,
        typer.Option(
            "--backends",
            metavar="NAME,...",
            help="Back ends to compare, separated by commas, in the order of the table.",
            autocompletion=complete.backend_lists,
        ),
    ] = "native,cmsis_nn,tflm",
    optimise: LevelOption = None,
    all_measured: AllMeasuredOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compare the cost of a run's model on each back end. Exit code 1: an answer differs from the reference.

    Generates, builds and emulates the model on each back end. Code, images and evaluations stay in the run directory,
    as `codegen`, `build` and `emulate` leave them.
    """
    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FAILED
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.evaluation.evaluate import MEASURED_SAMPLES
    from tinyloc.device.report.compare_backends import compare_backends, figures
    from tinyloc.device.report.record import save_evaluation

    chosen = [backend_named(name.strip()) for name in backends.split(",")]
    found = load_board(board)
    layout = find_run(run, runs_dir)
    form = layout.arithmetic(arithmetic)
    rows = compare_backends(
        layout.bundle,
        form,
        found,
        layout.optimise(optimise),
        chosen,
        lambda backend: (layout.generated(form, backend), layout.firmware(board, backend)),
        measured=0 if all_measured else MEASURED_SAMPLES,
        tell=note,
    )
    for row in rows:
        if row.evaluation is not None:
            save_evaluation(row.evaluation, layout.evaluation(board, row.backend))
    write_json(json, figures(rows))
    console = output(TABLE_WIDTH)
    if not quiet():
        console.print(f"{layout.path.name}, {form}, on {found.title}; modelled cycles per sample, median")
        console.print(table(rows))
    for row in rows:
        console.print(f"{row.backend}: {row.reason}" if row.reason else f"{row.backend} equals {row.equality}.",
                      soft_wrap=True, markup=False, highlight=False)  # fmt: skip
    if any(row.evaluation is not None and row.evaluation.mismatches for row in rows):
        raise typer.Exit(FAILED)


def table(rows: "list[Row]") -> "Table":
    """Make a table with one row per back end: cycles, instructions, flash, RAM; ratios to native in brackets."""
    from rich.table import Table

    from tinyloc.device.report.compare_backends import times_native

    shown = Table(box=None, header_style="bold", pad_edge=False)
    quantities: dict[str, Callable[[Evaluation], float | None]] = {
        "cycles": lambda e: e.cycles.median if e.cycles else None,
        "instructions": lambda e: e.instructions.median if e.instructions else None,
        "flash B": lambda e: e.flash.total,
        "RAM B": lambda e: e.ram.total,
        "arena B": lambda e: e.ram.arena,
        "stack B": lambda e: e.ram.stack,
        "macro F1": lambda e: e.device.macro_f1,
    }
    ratios = {name: times_native(rows, quantities[name]) for name in ("cycles", "instructions", "flash B", "RAM B")}
    shown.add_column("back end")
    for name in quantities:
        shown.add_column(name, justify="right")
    for row in rows:
        if row.evaluation is None:
            continue
        cells = []
        for name, value_of in quantities.items():
            value = value_of(row.evaluation)
            text = "-" if value is None else f"{value:.3f}" if name == "macro F1" else f"{value:,.0f}"
            ratio = ratios.get(name, {}).get(row.backend)
            cells.append(text if ratio is None or row.backend == "native" else f"{text} ({ratio:.2f}x)")
        shown.add_row(row.backend, *cells)
    return shown
