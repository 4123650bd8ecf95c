"""`tinyloc build`: from generated C to a firmware image."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    NATIVE,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
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
    backend: BackendOption = NATIVE,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the firmware with the generated model for a board."""
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.codegen.manifest import read_manifest
    from tinyloc.device.image.backends import extras_of
    from tinyloc.device.image.build import build_firmware
    from tinyloc.device.image.footprint import measure_flash

    found = load_board(board)
    layout = find_run(run, runs_dir)
    form = layout.arithmetic(arithmetic)
    kernels = backend_named(backend)
    generated = layout.need_generated(arithmetic, kernels)
    out = layout.firmware(board, kernels, debug_layers)
    extras = extras_of(read_manifest(generated), found)
    level = layout.optimise(optimise)
    result = build_firmware(generated, found, out, level, debug_layers=debug_layers, extras=extras)
    flash = measure_flash(result.elf, result.map)
    write_json(json, {"board": board, "arithmetic": form, "sizes": asdict(result.sizes), "flash": flash.model_dump()})
    typer.echo(
        f"{result.elf}: {result.sizes.flash:,} bytes of flash ({flash.weights:,} weights, {flash.kernels:,} kernels), "
        f"{result.sizes.static_ram:,} bytes of RAM and {result.sizes.stack_reserve:,} reserved for the stack"
    )
