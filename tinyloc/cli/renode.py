"""`tinyloc renode`: the image in Renode, against the answers of our own emulator."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import DEFAULT_BOARD, RUNS_DIR, BoardOption, RunsDirOption
from tinyloc.cli.runs import find_run


def renode(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="Run directory, or its name below --runs-dir.", autocompletion=complete.runs
        ),
    ] = None,
    board: BoardOption = DEFAULT_BOARD,
    generated: Annotated[
        Path | None,
        typer.Option("--generated", help="Build this directory of generated C instead of a run; scans are synthetic."),
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Write image, robot test and expected answers, and stop.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Directory for these files; default RUN/renode/BOARD, else the user's cache."
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Run the Robot test of a board in an installed Renode. Exit code 1: the test failed."""
    import tempfile

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FAILED
    from tinyloc.device.image.build import build_firmware, load_build
    from tinyloc.device.renode.files import bundle_scans
    from tinyloc.device.renode.files import prepare as put
    from tinyloc.device.renode.run import RenodeError, run_renode
    from tinyloc.paths import cache_directory

    found = load_board(board)
    if (run is None) == (generated is None):
        raise RenodeError("give either a RUN or --generated DIR")
    if generated is not None:
        place = out or cache_directory() / "renode" / found.name
        with tempfile.TemporaryDirectory(prefix="tinyloc-renode-") as name:
            put(build_firmware(generated, found, Path(name) / "build"), found, place)
    else:
        layout = find_run(str(run), runs_dir)
        place = out or layout.path / "renode" / found.name
        put(load_build(layout.need_firmware(board)), found, place, bundle_scans(layout.bundle))
    say(f"Image, robot test and expected answers: {place}")
    if not prepare and not run_renode(found, place):
        raise typer.Exit(FAILED)
