"""`tinyloc search`: recipes under a board's budget, with the compiler in the loop."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli import complete, train
from tinyloc.cli.console import say
from tinyloc.cli.options import BOARD_HELP, RUNS_DIR, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.study import AddressOption, JobsOption

NOTHING = 1
"""Exit code: no candidate is within the budget."""


def search(
    file: Annotated[
        Path | None, typer.Argument(metavar="[SEARCH.toml]", help="File that describes the search.", show_default=False)
    ] = None,
    board: Annotated[
        str | None,
        typer.Option("--board", help=f"With --data, instead of a file: {BOARD_HELP}", autocompletion=complete.boards),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --board: description of your own data (`tinyloc init`).")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Candidates to propose, instead of those of the file.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Keep the search in PostgreSQL: postgresql://USER@HOST/DATABASE."),
    ] = None,
    jobs: JobsOption = None,
    address: AddressOption = None,
    searches: Annotated[Path, typer.Option("--searches", help="Directory that holds searches.")] = Path("searches"),
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Search for the best recipe that fits a board; continues an interrupted search. Exit code 1: nothing fits.

    Candidates are exported and compiled before they are trained; those that do not fit are never trained. The best one
    by validation is trained as a run with the name of the search.
    """
    from tinyloc.boards import load_board
    from tinyloc.cli.progress import work_shown
    from tinyloc.study.cluster import cluster
    from tinyloc.study.search import outcome, space
    from tinyloc.study.search.cost import limits_of
    from tinyloc.study.search.default_space import default_search
    from tinyloc.study.search.run import Searching
    from tinyloc.study.search.settings import SearchError, load_search
    from tinyloc.study.search.store import opened
    from tinyloc.study.tasks import Engine

    if (file is None) == (board is None or data is None):
        raise SearchError("name a SEARCH.toml, or give --board and --data; not both")
    if address is not None and jobs is not None:
        raise SearchError("--jobs is for this machine and --address for a cluster, which knows its CPUs; leave one out")
    if file is not None:
        chosen = load_search(file)
        base = space.base_table(chosen, file.parent)
    else:
        assert board is not None and data is not None
        chosen, base = default_search(data, load_board(board))
    if trials is not None:
        chosen = chosen.model_copy(update={"trials": trials})
    place = (searches / chosen.name).resolve()
    limits = limits_of(chosen.budget, load_board(chosen.board))
    with opened(chosen, place, store) as study, cluster(address, jobs, place), Engine() as engine:
        with work_shown(chosen.trials, "trials") as show:
            for step in Searching(chosen, base, study, place, engine).run():
                show(f"trial {step.trial}", step.text, step.record is not None, step.done)
        recipe = outcome.write(chosen, base, study, limits, place)
        found = outcome.candidates(study)
    typer.echo(outcome.markdown(chosen, found, limits))
    say(f"wrote {place}/table.md, search.json and page.html")
    write_json(json, outcome.as_json(chosen, found))
    if recipe is None:
        typer.echo(f"nothing within the budget was found in {len(found)} trials", err=True)
        raise typer.Exit(NOTHING)
    say(f"training the best by validation as run {chosen.name!r} ({recipe})")
    train.train(str(recipe), run=chosen.name, runs_dir=runs_dir)
