"""`tinyloc study`: grids of trainings, and the tables and plots of their results."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.outputs import JsonOption, write_json

app = typer.Typer(help="Run a grid of trainings, and show its tables and plots.", no_args_is_help=True)
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Tasks to run at the same time on this machine; default: its cores."),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", help="Run on the Ray cluster at HOST:PORT (or auto) instead of on this machine only."),
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Directory that holds the results of studies.")]
RESULTS = Path("results")
FAILED = 1
"""Exit code: a cell failed or is impossible."""


@app.command("run")
def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="File that describes the grid.")],
    jobs: JobsOption = None,
    address: AddressOption = None,
    work: Annotated[
        Path, typer.Option("--work", help="Directory that holds the runs of the cells; every machine must see it.")
    ] = Path("runs/studies"),
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Run only cells with this text in their name; may be given more than once."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Measure finished cells again; trained runs in --work are kept.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the cells to run with estimated times, and the impossible ones."),
    ] = False,
    results: ResultsOption = RESULTS,
) -> None:
    """Train and measure every cell of a study; continues an interrupted one. Exit code 1: a cell failed."""
    from tinyloc.cli.progress import work_shown
    from tinyloc.study.needs import estimated_seconds
    from tinyloc.study.record import cells_directory
    from tinyloc.study.run import plan, run_study
    from tinyloc.study.spec import StudyError, cells, load_study
    from tinyloc.training.data.files import some

    chosen = load_study(study)
    found = cells(chosen, study.parent)
    if only:
        wanted = {cell.id for cell in found if any(text in cell.id for text in only)}
        if not wanted:
            raise StudyError(f"{study}: no cell has {' or '.join(only)} in its name; list the cells with --dry-run")
        for cell in reversed(found):  # teachers stand before those that they teach
            if cell.id in wanted:
                wanted.update(cell.teachers)
        found = [cell for cell in found if cell.id in wanted]
    place = cells_directory(results, chosen.name)
    planned = plan(found, place, again)
    for why in dict.fromkeys(planned.impossible.values()):
        named = [name for name, reason in planned.impossible.items() if reason == why]
        typer.echo(f"impossible: {', '.join(named)}: {why}", err=True)
    say(
        f"{chosen.name}: {len(found)} cells; {len(planned.finished)} finished, {len(planned.todo)} to run, "
        f"{len(planned.impossible)} impossible"
    )
    if planned.outdated:
        say(f"results of another recipe, replaced when their cells are done: {some(planned.outdated)}")
    if dry_run:
        seconds = estimated_seconds(planned.todo)
        for cell in planned.todo:
            typer.echo(f"{cell.id}  {seconds[cell.id] / 60:.1f} min")
        hours, tasks = sum(seconds.values()) / 3600, jobs or os.cpu_count() or 1
        say(f"about {hours:.1f} hours on one core of this machine, {hours / tasks:.1f} with --jobs {tasks}, all epochs")
        raise typer.Exit(FAILED if planned.impossible else 0)

    from tinyloc.study.cluster import cluster
    from tinyloc.study.measure_cell import CELL_WORK
    from tinyloc.study.tasks import Engine

    runs = (work / chosen.name).resolve()
    failed = dict(planned.impossible)
    if address is not None and jobs is not None:
        raise StudyError("--jobs is for this machine and --address for a cluster, which knows its CPUs; leave one out")
    with cluster(address, jobs, runs), Engine() as engine, work_shown(len(planned.todo), "cells") as show:
        for step in run_study(chosen, found, planned, place, runs, CELL_WORK, engine):
            forms = step.record.forms if step.record is not None else {}
            figures = ", ".join(f"{name} {form.macro_f1:.3f}" for name, form in forms.items())
            show(step.cell, figures or step.text, step.record is not None, step.done)
            if step.record is not None and step.record.status != "done":
                failed[step.cell] = step.record.error or ""
    for name, why in failed.items():
        if name not in planned.impossible:
            typer.echo(f"failed: {name}: {why}", err=True)
    if failed:
        raise typer.Exit(FAILED)


@app.command("table")
def table(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="STUDY.toml, or the name of a study with results. Default: all studies.",
            autocompletion=complete.studies,
            show_default=False,
        ),
    ] = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw Pareto plots (needs matplotlib).")] = True,
    results: ResultsOption = RESULTS,
    json: JsonOption = None,
) -> None:
    """Show the tables of a study, and write them (Markdown, CSV) and its plots (SVG), from recorded results."""
    from tinyloc.study.record import studies
    from tinyloc.study.spec import StudyError

    if study is None and json is not None:
        raise StudyError("--json is of one study; name it")
    for name in [study] if study is not None else studies(results):
        _table(name, plots, results, json)


def _table(study: str, plots: bool, results: Path, json: Path | None) -> None:
    from tinyloc.files import write_whole
    from tinyloc.study.record import cells_directory, load_all
    from tinyloc.study.spec import load_study
    from tinyloc.study.tables import comma_separated, markdown, page

    file = Path(study) if study.endswith(".toml") else results / study / "study.toml"
    chosen = load_study(file) if study.endswith(".toml") or file.is_file() else None
    name = chosen.name if chosen else study
    records = load_all(cells_directory(results, name))
    place = results / name
    text = page(chosen, file.parent, records) if chosen else markdown(name, "", records)
    write_whole(place / "table.md", text)
    write_whole(place / "table.csv", comma_separated(records))
    written = [place / "table.md", place / "table.csv"]
    if plots:
        from tinyloc.study.plots import draw

        boards = sorted({board for record in records for form in record.forms.values() for board in form.boards})
        for board in boards:
            written += draw(records, board, place)
    typer.echo(text)
    say(f"wrote {', '.join(map(str, written))}")
    write_json(json, [record.model_dump(mode="json") for record in records])
