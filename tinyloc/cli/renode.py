"""`tinyloc renode`: the image in Renode, against the answers of our own emulator."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.layout import DEFAULT_BOARD, RUNS_DIR, BoardOption, RunsDirOption, find_run


def renode(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run directory, or its name below --runs-dir.")
    ] = None,
    board: BoardOption = DEFAULT_BOARD,
    generated: Annotated[
        Path | None, typer.Option("--generated", help="Generated C to build instead of a run; the scans are made up.")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only put image and expected answers into renode/build.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Run a board's robot test in an installed Renode. Exit code 1: it failed."""
    import tempfile

    from tinyloc.boards import load_board
    from tinyloc.device.image.build import build_firmware, load_build
    from tinyloc.device.renode.files import bundle_scans
    from tinyloc.device.renode.files import prepare as put
    from tinyloc.device.renode.run import RenodeError, run_renode

    found = load_board(board)
    if (run is None) == (generated is None):
        raise RenodeError("give either a RUN or --generated DIR")
    if generated is not None:
        with tempfile.TemporaryDirectory(prefix="tinyloc-renode-") as name:
            place = put(build_firmware(generated, found, Path(name) / "build"), found)
    else:
        layout = find_run(str(run), runs_dir)
        image = load_build(layout.need_firmware(board))
        place = put(image, found, bundle_scans(layout.bundle))
    typer.echo(f"image and expected answers in {place}")
    if not prepare and not run_renode(found):
        raise typer.Exit(1)
