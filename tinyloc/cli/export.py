"""`tinyloc export`: from the checkpoint to the bundle."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.api.run_layout import RunLayout
from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunArgument, RunsDirOption, board_within
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run
from tinyloc.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinyloc.boards import Board
    from tinyloc.export.rank_widths import Need
    from tinyloc.export.step_names import StepNames


def export(
    run: RunArgument,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Compare the stages layer by layer, rank layers by width, propose widths."),
    ] = False,
    board: Annotated[
        str, typer.Option("--board", help="Board that --explain measures flash, RAM and cycles on.")
    ] = "stm32l4",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="BUDGET",
            help=f"Propose widths for this budget instead of the board's: {', '.join(complete.BUDGETS)}, or figures "
            "such as ram=16K,flash=24K. Needs --explain.",
            autocompletion=complete.budgets,
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Export a trained run as ONNX and quantised TFLite, check both, and write the bundle."""
    if budget is not None and not explain:
        raise UserError("--budget needs --explain: it proposes widths; `tinyloc evaluate --budget` checks an image")
    layout = find_run(run, runs_dir)
    target, asked = board_within(board, budget)

    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.pipeline import export_run

    need = partial(_need, layout, target) if explain else None
    limit = partial(_limit, layout, target, asked.limits()) if explain else None
    bundle = load_bundle(export_run(layout.path, explain=explain, tell=say, need=need, limit=limit))
    forms = [{"arithmetic": m.arithmetic, "bytes": (layout.bundle / m.path).stat().st_size} for m in bundle.models]
    write_json(json, {"name": bundle.name, "models": forms, "parity": bundle.settings.get("parity")})
    sizes = ", ".join(f"{form['arithmetic']} {form['bytes']:,} bytes" for form in forms)
    say(f"{layout.bundle}: {sizes}; default {bundle.default_arithmetic}")


def _need(layout: RunLayout, board: "Board", content: bytes, names: "StepNames") -> "Need":
    """What compiler and emulator say that a file takes."""
    from tinyloc.bundle.schema import load_bundle
    from tinyloc.device.network.step_cost import step_cost
    from tinyloc.export.rank_widths import Need

    build = load_bundle(layout.bundle).build
    states = list(zip(names.state_inputs, names.state_outputs, strict=True))
    cost = step_cost(content, states, board, build.optimise, build.reference == "tinyloc")
    return Need(cost.flash_bytes, cost.ram_bytes, cost.cycles)


def _limit(
    layout: RunLayout, board: "Board", asked: "Mapping[str, float]", bundle: Path, content: bytes, names: "StepNames"
) -> "Need":
    """What the step may take: the budget of command line or board and of the recipe, less the rest of the firmware.

    The rest is the image of the bundle's default form less what its step takes alone.
    """
    from tinyloc.bundle.schema import load_bundle
    from tinyloc.codegen.backends.compile import compile_for
    from tinyloc.device.image.backends import extras_of
    from tinyloc.device.image.build import build_firmware
    from tinyloc.export.rank_widths import Need

    loaded = load_bundle(bundle)
    with tempfile.TemporaryDirectory(prefix="tinyloc-image-") as name:
        generated = Path(name) / "generated"
        manifest = compile_for("native", bundle, generated, loaded.default_arithmetic, loaded.build.reference)
        extras = extras_of(manifest, board)
        built = build_firmware(generated, board, Path(name) / "firmware", loaded.build.optimise, extras=extras)
        sizes = built.sizes
    step = _need(layout, board, content, names)
    rest = Need(sizes.flash, sizes.static_ram + sizes.stack_reserve, 0).less(step)
    own = loaded.budget.limits()
    most = {
        key: min(float(asked.get(key, getattr(board.budget, key))), own.get(key, float("inf")))
        for key in ("flash_bytes", "ram_bytes", "latency_ms")
    }
    cycles = int(most["latency_ms"] * board.clock.hz / 1e3)
    limit = Need(int(most["flash_bytes"]) - (rest.flash or 0), int(most["ram_bytes"]) - (rest.ram or 0), cycles)
    say(
        f"budget on {board.name}: {most['flash_bytes']:,.0f} B of flash and {most['ram_bytes']:,.0f} B of RAM for the "
        f"image, {most['latency_ms']:g} ms per sample; the step may take {limit.flash:,} B, {limit.ram:,} B and "
        f"{limit.cycles:,} cycles"
    )
    return limit
