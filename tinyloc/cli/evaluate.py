"""`tinyloc evaluate`: the same evaluation on a real board."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    NATIVE,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOption,
    BudgetOption,
    DebugLayersOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    board_within,
    find_run,
)


def evaluate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    port: Annotated[
        str | None, typer.Option("--port", help="Serial port, as /dev/ttyACM0; without it found by the board's USB id.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option("--baud", help="Raise the rate to this for the test set; without it the board's rate.")
    ] = None,
    arithmetic: ArithmeticOption = None,
    budget: BudgetOption = None,
    backend: BackendOption = NATIVE,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the test set on a flashed board. Exit code 1: over budget, or answers differ.

    An evaluation that was interrupted goes on where it stopped, and a board that was unplugged is waited for. With
    --debug-layers: compare every layer with the host's, and name the first that differs.
    """
    from contextlib import closing

    from tinyloc.cli.progress import samples_shown
    from tinyloc.cli.publish import publish, tell_layers
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.evaluation import evaluate as evaluation
    from tinyloc.device.image.build import load_build
    from tinyloc.device.link.persistent_port import PersistentPort
    from tinyloc.device.link.serial_port import SerialPort, find_port

    found = board_within(board, budget)
    kernels = backend_named(backend)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, arithmetic, kernels, debug_layers))
    generated = layout.need_generated(arithmetic, kernels)

    def open_port() -> SerialPort:
        return SerialPort(port or find_port(found), found.uart.baud)

    def tell(text: str) -> None:
        typer.echo(text, err=True)

    if debug_layers:
        with closing(open_port()) as bare:
            tell_layers(layout, generated, found, bare, json)
        return
    log = layout.path / f"exchange-{board}.jsonl"
    with closing(PersistentPort(open_port, tell=tell)) as device, samples_shown("samples") as progress:
        outcome = evaluation.evaluate(
            layout.bundle, generated, image, found, device, baud=baud, progress=progress, log=log
        )
    publish(outcome, layout, json)
