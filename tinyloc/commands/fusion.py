"""`tinyloc fusion`: UWB ranges and dead reckoning, a filter whose covariance a small network steers."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Fusion of UWB ranges and dead reckoning: run the study, show its tables.", no_args_is_help=True)
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of the study's results.")]
RESULTS = Path("results/fusion")


class Part(StrEnum):
    """What of the study is run."""

    CORRIDOR = "corridor"
    LOOP = "loop"
    REAL = "real"


@app.command("run")
def run(
    parts: Annotated[list[Part] | None, typer.Argument(help="Parts of the study; without any, all.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with the two UWB data sets; without it the usual places are searched."),
    ] = None,
    walks: Annotated[int, typer.Option("--walks", min=2, help="Simulated test walks, a seed each.")] = 24,
    results: ResultsOption = RESULTS,
) -> None:
    """Simulate, train, tune and test; writes one JSON and one student a part (minutes each)."""
    from tinyloc.training.fusion.real import real_settings, run_real
    from tinyloc.training.fusion.recordings import load_recordings, recordings_folder
    from tinyloc.training.fusion.study import StudySettings, run_site

    def progress(text: str) -> None:
        typer.echo(text, err=True)

    wanted = parts or list(Part)
    if Part.REAL in wanted:
        data = data or recordings_folder()
        load_recordings(data)  # told before minutes are spent
    for part in wanted:
        if part is Part.REAL and data is not None:
            run_real(data, real_settings(), results, progress)
        else:
            run_site(part.value, StudySettings(test_walks=walks), results, progress)
    typer.echo(f"{', '.join(wanted)}: written to {results}; show with `tinyloc fusion table`")


@app.command("table")
def table(
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Also draw the error distributions into this folder.")
    ] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Show the tables of the study as Markdown, from its JSON."""
    from tinyloc.training.fusion.table import draw, tables

    typer.echo(tables(results))
    if plots is not None:
        for path in draw(results, plots):
            typer.echo(f"{path} written", err=True)
