"""`tinyloc build`: from generated C to a firmware image."""

from typing import Annotated

import typer

from tinyloc.commands.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BoardOption,
    DebugLayersOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    find_run,
    write_json,
)


def build(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    optimise: Annotated[
        str | None, typer.Option("--optimise", help="Os (size) or O2 (speed); without it what the recipe says.")
    ] = None,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the firmware with the generated model for a board."""
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.device.build import build_firmware
    from tinyloc.device.footprint import measure_flash

    found = load_board(board)
    layout = find_run(run, runs_dir)
    form = layout.arithmetic(arithmetic)
    generated = layout.need_generated(arithmetic)
    out = layout.firmware(board, debug_layers=debug_layers)
    result = build_firmware(generated, found, out, layout.optimise(optimise), debug_layers=debug_layers)
    flash = measure_flash(result.elf, result.map)
    write_json(json, {"board": board, "arithmetic": form, "sizes": asdict(result.sizes), "flash": flash.model_dump()})
    typer.echo(
        f"{result.elf}: {result.sizes.flash:,} bytes of flash ({flash.weights:,} weights, {flash.kernels:,} kernels), "
        f"{result.sizes.static_ram:,} bytes of RAM and {result.sizes.stack_reserve:,} reserved for the stack"
    )
