"""`tinyloc zoo`: models that come with tinyloc. Every command that takes a RUN takes `zoo:NAME`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import output, say
from tinyloc.cli.options import DEFAULT_BOARD, RUNS_DIR, TABLE_WIDTH, ArithmeticOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(help="List, add and measure trained models that come with tinyloc.", no_args_is_help=True)


@app.command("list")
def list_models(json: JsonOption = None) -> None:
    """List the models of the zoo with their quality on the test set and their cost on each board."""
    from rich.markup import escape

    from tinyloc.device.zoo.models import load_card, names

    cards = [load_card(name) for name in names()]
    models = _table(("model", "data, architecture, form"), ("macro F1", "accuracy", "median error, m"))
    images = _table(("run",), ("flash, KB", "RAM, KB", "cycles per sample", "with wait states", "µJ per sample"))
    for card in cards:
        error = f"{card.errors_m['p50']:.2f}" if card.errors_m else ""
        models.add_row(
            card.name,
            escape(card.title)
            + (" (simulated)" if card.data.startswith("house-") and "simulated" not in card.title else ""),
            f"{card.macro_f1:.3f}",
            f"{card.accuracy:.3f}",
            error,
        )
        for board, image in card.boards.items():
            images.add_row(
                f"zoo:{card.name}-{board}", f"{image.flash_bytes / 1024:.1f}", f"{image.ram_bytes / 1024:.1f}",
                f"{image.cycles:,.0f}", f"{image.waited_cycles or image.cycles:,.0f}", f"{image.energy_uj:.1f}",
            )  # fmt: skip
    console = output(TABLE_WIDTH)
    console.print(models)
    console.print()
    console.print(images)
    write_json(json, [card.model_dump(mode="json") for card in cards])


def _table(texts: Sequence[str], numbers: Sequence[str]) -> "Table":
    """Make an empty table; columns of numbers are flush right."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in texts:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right")
    return table


@app.command("pack")
def pack(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Directory of an exported run, or of a run with a bundle of your own; or its name below runs.",
            autocompletion=complete.runs,
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model in the zoo.")],
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            help="Board to measure on; may be given more than once. Default: all boards.",
            autocompletion=complete.boards,
        ),
    ] = None,
    arithmetic: ArithmeticOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the zoo. Default: the zoo of this tinyloc.")
    ] = None,
) -> None:
    """Measure an exported run or an own bundle and add it to the zoo as a small bundle with a card."""
    from tinyloc.device.zoo.pack import pack as pack_run
    from tinyloc.paths import ZOO_DIR, folder_of_clone

    layout = find_run(run, RUNS_DIR)
    form = layout.arithmetic(arithmetic)
    card = pack_run(
        layout.path, name, board or _parts(), form, to or folder_of_clone(ZOO_DIR, "name a folder with --to")
    )
    sizes = ", ".join(f"{image.flash_bytes:,} bytes of flash on {name}" for name, image in card.boards.items())
    say(f"zoo:{card.name}: macro F1 {card.macro_f1:.3f}; {sizes}")


@app.command("refresh")
def refresh(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Names of models in the zoo. Default: all models.",
            autocompletion=complete.zoo_models,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing. Exit code 1: a card differs from the measurement.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the zoo. Default: the zoo of this tinyloc.")
    ] = None,
) -> None:
    """Measure models of the zoo with this compiler and update their cards."""
    from tinyloc.device.zoo.measure import changes, measured, write_card
    from tinyloc.device.zoo.models import load_card, names, resolve
    from tinyloc.paths import ZOO_DIR, folder_of_clone

    folder, stale = to or folder_of_clone(ZOO_DIR, "name a folder with --to"), False
    for name in [resolve(one, folder)[0] for one in model] if model else names(folder):
        card = measured(name, _parts(), folder)
        changed = changes(load_card(name, folder), card)
        stale = stale or bool(changed)
        (say if not changed else typer.echo)(f"zoo:{name}: {'; '.join(changed) or 'equal to its card'}")
        if changed and not check:
            write_card(card, folder / name)
    raise typer.Exit(int(check and stale))


def _parts() -> list[str]:
    """Name the boards that exist as hardware; the first one is the default of zoo:NAME."""
    from tinyloc.boards import part_names

    return sorted(part_names(), key=lambda part: (part != DEFAULT_BOARD, part))
