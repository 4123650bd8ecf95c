"""`tinyloc data`: the data sets that recipes train on."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.layout import JsonOption, write_json

app = typer.Typer(help="Data sets: list, download, describe.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="DATA", help="Name of a data set; `tinyloc data list` has them.")]


@app.command("list")
def list_data() -> None:
    """List the data sets, their licences and where they are on this machine."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.data.catalogue import listing

    table = Table("data", "what", "licence", "where", box=None, header_style="bold", pad_edge=False)
    for row in listing():
        table.add_row(row.entry.name, escape(row.entry.title), escape(row.entry.licence), escape(row.place))
    Console().print(table)


@app.command("get")
def get(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to put it in; without it the cache.")] = None,
) -> None:
    """Download a data set from its publisher and check it against its sha256."""
    from tinyloc.training.data import catalogue

    typer.echo(f"{name} is at {catalogue.get(name, to)}")


@app.command("describe")
def describe(
    name: NameArgument,
    data: Annotated[
        Path | None, typer.Option("--data", help="Its file or folder; for csv the TOML file that describes yours.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Show splits, classes, access points and citation of a data set."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.data import catalogue

    data_set = catalogue.load(name, path=data)
    found = catalogue.describe(data_set)
    table = Table("split", box=None, header_style="bold", pad_edge=False)
    for column in ("recordings", "samples", "minutes", "heard a sample", "classes", "never trained"):
        table.add_column(column, justify="right")
    for split, counts in found.splits.items():
        minutes = f"{counts.minutes:.1f}" if data_set.sequential else "-"
        table.add_row(
            split,
            f"{counts.recordings:,}",
            f"{counts.samples:,}",
            minutes,
            f"{counts.heard_per_sample:.1f}",
            f"{counts.classes}",
            f"{counts.unseen:,}",
        )
    console = Console()
    console.print(f"[bold]{escape(data_set.title)}[/bold]")
    console.print(
        f"{len(data_set.access_points)} access points, {found.access_points_heard} of them heard in training; "
        f"{len(data_set.classes)} classes; {found.weakest_dbm:.0f} to {found.strongest_dbm:.0f} dBm"
    )
    console.print(table)
    console.print(f"Licence: {escape(data_set.licence)}\nCite: {escape(data_set.citation)}")
    write_json(
        json,
        {
            "name": data_set.name,
            "access_points": len(data_set.access_points),
            "access_points_heard": found.access_points_heard,
            "classes": list(data_set.classes),
            "splits": {split: asdict(counts) for split, counts in found.splits.items()},
        },
    )
