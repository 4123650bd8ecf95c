"""`tinyloc build`: from generated C to a firmware image."""

from tinyloc.api.steps import build_image, image_line
from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.console import say
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOption,
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
    board: BoardOption = DEFAULT_BOARD,
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
    """Compile the firmware with the generated model for a board."""
    from dataclasses import asdict

    from tinyloc.boards import load_board

    found = load_board(board)
    layout = find_run(run, runs_dir)
    result, flash = build_image(
        layout, found, arithmetic, optimise, backend, debug_layers, key, model_version, link_key
    )
    form = layout.arithmetic(arithmetic)
    write_json(json, {"board": board, "arithmetic": form, "sizes": asdict(result.sizes), "flash": flash.model_dump()})
    say(image_line(result, flash))
