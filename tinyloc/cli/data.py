"""`tinyloc data`: the data sets that recipes train on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import output
from tinyloc.cli.outputs import JsonOption, write_json

if TYPE_CHECKING:
    from tinyloc.training.data.radio_statistics import RadioStatistics

app = typer.Typer(help="List, download and describe data sets.", no_args_is_help=True)
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="Name of a data set, as in `tinyloc data list`.", autocompletion=complete.data_sets
    ),
]


@app.command("list")
def list_data(json: JsonOption = None) -> None:
    """List the data sets, their licences and their places on this machine."""
    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.data.catalogue import listing

    rows = listing()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("data", no_wrap=True)
    for heading in ("title", "licence", "place"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row.entry.name, escape(row.entry.title), escape(row.entry.licence), escape(row.place))
    output().print(table)
    write_json(
        json,
        [
            {
                "name": row.entry.name,
                "title": row.entry.title,
                "licence": row.entry.licence,
                "citation": row.entry.citation,
                "place": row.place,
                "available": row.available,
            }
            for row in rows
        ],
    )


def _radio_line(radio: "RadioStatistics") -> str:
    parts = [f"readings of training: mean {radio.level_dbm:.1f} dBm, {radio.missing:.1%} not heard"]
    if radio.step_db is not None:
        parts.append(f"change in a third of a second {radio.step_db:.1f} dB")
    if radio.residual_db is not None:
        parts.append(f"around the mean of a square metre {radio.residual_db:.1f} dB")
    if radio.autocorrelation is not None:
        parts.append(f"autocorrelation of that {radio.autocorrelation:.2f}")
    return "; ".join(parts)


@app.command("get")
def get(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write to. Default: the user's cache.")] = None,
) -> None:
    """Download a data set from its publisher and check its SHA-256."""
    from tinyloc.training.data import catalogue

    typer.echo(f"{name} is at {catalogue.get(name, to)}")


@app.command("describe")
def describe(
    name: NameArgument,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="File or folder of the data set; for csv, the TOML file that describes yours."),
    ] = None,
    json: JsonOption = None,
) -> None:
    """Show splits, classes, access points and citation of a data set."""
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.data import catalogue
    from tinyloc.training.data.radio_statistics import radio_statistics

    data_set = catalogue.load(name, path=data)
    found = catalogue.describe(data_set)
    table = Table("split", box=None, header_style="bold", pad_edge=False)
    for column in ("recordings", "samples", "minutes", "heard per sample", "classes", "untrained samples"):
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
    console = output()
    console.print(f"[bold]{escape(data_set.title)}[/bold]")
    console.print(
        f"{len(data_set.access_points)} access points, {found.access_points_heard} of them heard in training; "
        f"{len(data_set.classes)} classes; {found.weakest_dbm:.0f} to {found.strongest_dbm:.0f} dBm"
    )
    console.print(table)
    radio = radio_statistics(data_set.train, data_set.rate_hz)
    if radio is not None:
        console.print(_radio_line(radio))
    for note in data_set.notes:
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    console.print(f"Licence: {escape(data_set.licence)}\nCite: {escape(data_set.citation)}")
    write_json(
        json,
        {
            "name": data_set.name,
            "title": data_set.title,
            "licence": data_set.licence,
            "citation": data_set.citation,
            "access_points": len(data_set.access_points),
            "access_points_heard": found.access_points_heard,
            "classes": list(data_set.classes),
            "rate_hz": data_set.rate_hz,
            "notes": list(data_set.notes),
            "radio": None if radio is None else asdict(radio),
            "splits": {split: asdict(counts) for split, counts in found.splits.items()},
        },
    )
