"""`tinyloc compare`: one model on every back end, in one table."""

from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    TABLE_WIDTH,
    ArithmeticOption,
    BoardOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    find_run,
    write_json,
)

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
        str, typer.Option("--backends", help="Which, separated by commas, in the order of the table.")
    ] = "native,cmsis_nn,tflm",
    optimise: Annotated[
        str | None, typer.Option("--optimise", help="Os (size) or O2 (speed); without it what the recipe says.")
    ] = None,
    all_measured: Annotated[
        bool, typer.Option("--all-measured", help="Model the cycles of every sample, not of 200 of them.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Generate, build and emulate a run's model on each back end, and show what each costs and equals.

    Code, firmware and evaluations are kept in the run directory as `codegen`, `build` and `emulate` keep them. Exit
    code 1: a back end answers otherwise than its own reference, or crashed.
    """
    from rich.console import Console

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FOUND_WANTING
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
        tell=lambda text: typer.echo(text, err=True),
    )
    for row in rows:
        if row.evaluation is not None:
            save_evaluation(row.evaluation, layout.evaluation(board, row.backend))
    write_json(json, figures(rows))
    console = Console(width=max(Console().width, TABLE_WIDTH))
    console.print(f"{layout.path.name}, {form}, on {found.title}; cycles are modelled, the median of a sample")
    console.print(table(rows))
    for row in rows:
        console.print(f"{row.backend}: {row.reason}" if row.reason else f"{row.backend} equals {row.equality}.",
                      soft_wrap=True, markup=False, highlight=False)  # fmt: skip
    if any(row.evaluation is not None and row.evaluation.mismatches for row in rows):
        raise typer.Exit(FOUND_WANTING)


def table(rows: "list[Row]") -> "Table":
    """A row a back end: cycles, instructions, flash, RAM; ratios to native in brackets."""
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
