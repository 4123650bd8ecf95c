"""`tinyloc build`: from generated C to a firmware image."""

from tinyloc.api.steps import build_image, image_line
from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.complete import ALL_BOARDS
from tinyloc.cli.console import say
from tinyloc.cli.every_board import on_every_board
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOrAllOption,
    DebugLayersOption,
    KeyFileOption,
    LevelOption,
    LinkKeyOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run
from tinyloc.cli.update import VersionOption


def build(
    run: RunArgument,
    board: BoardOrAllOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    optimise: LevelOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    debug_layers: DebugLayersOption = False,
    key: KeyFileOption = None,
    link_key: LinkKeyOption = None,
    model_version: VersionOption = 1,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the firmware with the generated model for a board. With --board all: for every board that is complete."""
    from dataclasses import asdict

    from tinyloc.boards import load_board, part_names

    if board == ALL_BOARDS:
        options = {
            "--arithmetic": arithmetic, "--optimise": optimise, "--backend": backend, "--debug-layers": debug_layers,
            "--key": key, "--link-key": link_key, "--model-version": model_version, "--runs-dir": runs_dir,
        }  # fmt: skip
        on_every_board("build", run, options, part_names(), json)
        return
    found = load_board(board)
    layout = find_run(run, runs_dir)
    result, flash = build_image(
        layout, found, arithmetic, optimise, backend, debug_layers, key, model_version, link_key
    )
    form = layout.arithmetic(arithmetic)
    write_json(json, {"board": board, "arithmetic": form, "sizes": asdict(result.sizes), "flash": flash.model_dump()})
    say(image_line(result, flash))
