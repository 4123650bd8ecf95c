"""`tinyloc evaluate`: the same evaluation on a real board."""

from typing import Annotated

import typer

from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.console import note
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOption,
    BudgetOption,
    DebugLayersOption,
    LinkKeyOption,
    RequireOption,
    RunArgument,
    RunsDirOption,
    board_within,
)
from tinyloc.cli.outputs import JsonOption
from tinyloc.cli.runs import find_run


def evaluate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    port: Annotated[
        str | None,
        typer.Option("--port", help="Serial port, such as /dev/ttyACM0 or COM3. Default: found by the board's USB id."),
    ] = None,
    baud: Annotated[
        int | None, typer.Option("--baud", help="Baud rate for the test set. Default: the board's rate.")
    ] = None,
    qemu: Annotated[
        bool,
        typer.Option("--qemu", help="Run the image in QEMU (qemu-system-arm); boards cortex-m4 and cortex-m3 only."),
    ] = False,
    arithmetic: ArithmeticOption = None,
    budget: BudgetOption = None,
    require: RequireOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    debug_layers: DebugLayersOption = False,
    link_key: LinkKeyOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Evaluate on a board over a serial port. Exit code 1: over budget, or answers differ.

    Continues an interrupted evaluation, and reconnects if the cable is unplugged. With --qemu: the board is QEMU's, an
    independent machine over a pseudo-terminal. With --debug-layers: compare every
    layer with the host's, and name the first that differs.
    """
    from contextlib import closing

    from tinyloc.cli.progress import samples_shown
    from tinyloc.cli.publish import publish, publish_layers
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.evaluation import evaluate as evaluation
    from tinyloc.device.image.build import load_build
    from tinyloc.device.link.key import read_key
    from tinyloc.device.link.persistent_port import PersistentPort
    from tinyloc.device.link.qemu import QemuDevice
    from tinyloc.device.link.serial_port import SerialPort, find_port

    found, asked = board_within(board, budget, require)
    key = None if link_key is None else read_key(link_key)
    kernels = backend_named(backend)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, arithmetic, kernels, debug_layers))
    generated = layout.need_generated(arithmetic, kernels)

    def open_port() -> SerialPort:
        if qemu:
            return QemuDevice(image.elf, found)
        return SerialPort(port or find_port(found), found.uart.baud)

    if debug_layers:
        with closing(open_port()) as bare:
            publish_layers(layout, generated, found, bare, json, key)
        return
    log = layout.path / f"exchange-{board}.jsonl"
    with closing(PersistentPort(open_port, tell=note)) as device, samples_shown("samples") as progress:
        outcome = evaluation.evaluate(
            layout.bundle, generated, image, found, device, baud=baud, progress=progress, log=log, require=asked,
            link_key=key,
        )  # fmt: skip
    publish(outcome, layout, json)
