"""`tinyloc zoo`: models that come with tinyloc; `zoo:NAME` stands for a run in every command that takes one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.layout import DEFAULT_BOARD, NATIVE, TABLE_WIDTH, ZOO_PREFIX, JsonOption, RunLayout, write_json

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(help="Trained models that come with tinyloc.", no_args_is_help=True)


class ZooLayout(RunLayout):
    """A run made from the zoo: generated code and image are made when they are asked for."""

    def need_generated(self, arithmetic: str | None, backend: str = NATIVE) -> Path:
        """The generated code, compiled now if it is not there."""
        from tinyloc.cli.codegen import codegen

        path = self.generated(self.arithmetic(arithmetic), backend)
        if not path.exists():
            codegen(str(self.path), arithmetic=arithmetic, backend=backend)
        return path

    def need_firmware(
        self, board: str, arithmetic: str | None = None, backend: str = NATIVE, debug_layers: bool = False
    ) -> Path:
        """The image for a board, built now if it is not there."""
        from tinyloc.cli.build import build

        path = self.firmware(board, backend, debug_layers)
        if not path.exists():
            self.need_generated(arithmetic, backend)
            build(str(self.path), board, arithmetic=arithmetic, backend=backend, debug_layers=debug_layers)
        return path


def zoo_run(run: str, runs_dir: Path) -> ZooLayout:
    """The run of `zoo:NAME` below `runs_dir`, unpacked if it is not there; says which test set it has."""
    from tinyloc.device.zoo.models import resolve, unpack

    name, _ = resolve(run.removeprefix(ZOO_PREFIX))
    path = runs_dir / f"zoo-{name}"
    typer.echo(f"{run}: {unpack(name, path)}", err=True)
    return ZooLayout(path)


@app.command("list")
def list_models(json: JsonOption = None) -> None:
    """List the models of the zoo: how good each is on its test set, and what it costs on each board."""
    from rich.console import Console
    from rich.markup import escape

    from tinyloc.device.zoo.models import load_card, names

    cards = [load_card(name) for name in names()]
    models = _table(("model", "data, architecture, form"), ("macro F1", "accuracy", "median error, m"))
    images = _table(("run",), ("flash, KB", "RAM, KB", "cycles a sample", "µJ a sample"))
    for card in cards:
        error = f"{card.errors_m['p50']:.2f}" if card.errors_m else ""
        models.add_row(card.name, escape(card.title), f"{card.macro_f1:.3f}", f"{card.accuracy:.3f}", error)
        for board, image in card.boards.items():
            images.add_row(
                f"zoo:{card.name}-{board}", f"{image.flash_bytes / 1024:.1f}", f"{image.ram_bytes / 1024:.1f}",
                f"{image.cycles:,.0f}", f"{image.energy_uj:.1f}",
            )  # fmt: skip
    console = Console(width=max(Console().width, TABLE_WIDTH))
    console.print(models)
    console.print()
    console.print(images)
    write_json(json, [card.model_dump(mode="json") for card in cards])


def _table(texts: Sequence[str], numbers: Sequence[str]) -> "Table":
    """An empty table; columns of numbers are flush right."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in texts:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right")
    return table


@app.command("pack")
def pack(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of an exported run.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the model in the zoo.")],
    board: Annotated[
        list[str] | None, typer.Option("--board", help="Board to measure it on; repeatable. Without it all of them.")
    ] = None,
    arithmetic: Annotated[str | None, typer.Option("--arithmetic", help="int8 or int16x8.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the zoo; without it tinyloc's own.")] = None,
) -> None:
    """Measure a run and put it into the zoo as a small bundle with a card."""
    from tinyloc.device.zoo.pack import pack as pack_run
    from tinyloc.paths import ZOO_DIR

    form = RunLayout(run).arithmetic(arithmetic)
    card = pack_run(run, name, board or _parts(), form, to or ZOO_DIR)
    sizes = ", ".join(f"{image.flash_bytes:,} bytes of flash on {name}" for name, image in card.boards.items())
    typer.echo(f"zoo:{card.name}: macro F1 {card.macro_f1:.3f}; {sizes}")


@app.command("refresh")
def refresh(
    model: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Of models in the zoo. Without it all of them.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 when a card differs from what is measured.")
    ] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the zoo; without it tinyloc's own.")] = None,
) -> None:
    """Measure models of the zoo with today's compiler and kernels, and bring their cards up to date."""
    from tinyloc.device.zoo.measure import changes, measured, write_card
    from tinyloc.device.zoo.models import load_card, names, resolve
    from tinyloc.paths import ZOO_DIR

    folder, stale = to or ZOO_DIR, False
    for name in [resolve(one, folder)[0] for one in model] if model else names(folder):
        card = measured(name, _parts(), folder)
        told = changes(load_card(name, folder), card)
        stale = stale or bool(told)
        typer.echo(f"zoo:{name}: {'; '.join(told) or 'as on its card'}")
        if told and not check:
            write_card(card, folder / name)
    raise typer.Exit(int(check and stale))


def _parts() -> list[str]:
    """Boards that exist; the first is that of zoo:NAME."""
    from tinyloc.boards import part_names

    return sorted(part_names(), key=lambda part: (part != DEFAULT_BOARD, part))
