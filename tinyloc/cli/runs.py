"""Find the run that RUN names: a directory, a name below --runs-dir, or a model of the zoo."""

from pathlib import Path

from tinyloc.api.run_layout import NATIVE, RunError, RunLayout
from tinyloc.api.steps import build_image, generate, generated_line, image_line
from tinyloc.cli.complete import ZOO_PREFIX
from tinyloc.cli.console import note


class ZooLayout(RunLayout):
    """A run made from the zoo: code and image are made when a command needs them."""

    def need_generated(self, arithmetic: str | None, backend: str = NATIVE) -> Path:
        """Give the directory of the generated code; compile the model if it does not exist."""
        path = self.generated(self.arithmetic(arithmetic), backend)
        if not path.exists():
            note(generated_line(*generate(self, arithmetic, backend)))
        return path

    def need_firmware(
        self, board: str, arithmetic: str | None = None, backend: str = NATIVE, debug_layers: bool = False
    ) -> Path:
        """Give the directory of the image for a board; build it if it does not exist."""
        from tinyloc.boards import load_board

        path = self.firmware(board, backend, debug_layers)
        if not path.exists():
            image = build_image(self, load_board(board), arithmetic, backend=backend, debug_layers=debug_layers)
            note(image_line(*image))
        return path


def find_run(run: str, runs_dir: Path) -> RunLayout:
    """Find the run that the user names.

    Args:
        run: A directory, a name below `runs_dir`, or zoo:NAME. A directory that holds a run goes before one that does
            not.
        runs_dir: Directory of the runs.

    Raises:
        RunError: No such run; the message lists the runs that exist.
    """
    if run.startswith(ZOO_PREFIX):
        return _zoo_run(run, runs_dir)
    places = [path for path in (Path(run), runs_dir / run) if path.is_dir()]
    for path in places:
        if (path / "run.json").is_file() or (path / "bundle").is_dir():
            return RunLayout(path)
    if places:
        return RunLayout(places[-1])
    have = sorted(path.name for path in runs_dir.glob("*") if path.is_dir()) if runs_dir.is_dir() else []
    known = f"there are {', '.join(have)}" if have else "there are no runs yet"
    raise RunError(
        f"no run {run!r} here or below {runs_dir}; {known}; make one with `tinyloc train RECIPE --run {run}`"
    )


def _zoo_run(run: str, runs_dir: Path) -> ZooLayout:
    """Unpack a model of the zoo into `runs_dir`, if it is not there; print which test set it has."""
    from tinyloc.device.zoo.models import resolve, unpack

    name, _ = resolve(run.removeprefix(ZOO_PREFIX))
    path = runs_dir / f"zoo-{name}"
    note(f"{run}: {unpack(name, path)}")
    return ZooLayout(path)
