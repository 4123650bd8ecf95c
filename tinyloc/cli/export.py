"""`tinyloc export`: from the checkpoint to the bundle."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.api.run_layout import RunLayout
from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunArgument, RunsDirOption, board_within
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
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
            "--budget", help="Propose widths for this budget (a profile, or ram=16K,flash=64K). Needs --explain."
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Export a trained run as ONNX and quantised TFLite, check both, and write the bundle."""
    layout = find_run(run, runs_dir)
    target, figures = board_within(board, budget)
    limits = {key: value for key, value in figures.model_dump(exclude_none=True).items() if hasattr(target.budget, key)}
    target = target.model_copy(update={"budget": target.budget.model_copy(update=limits)})

    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.pipeline import export_run

    need, limit = (partial(say_bytes, layout, target) if explain else None for say_bytes in (_need, _limit))
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


def _limit(layout: RunLayout, board: "Board", bundle: Path, content: bytes, names: "StepNames") -> "Need":
    """What the step may take: the budget of board and recipe, less the rest of the firmware.

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
    most = {key: min(float(getattr(board.budget, key)), own.get(key, float("inf")))
            for key in ("flash_bytes", "ram_bytes", "latency_ms")}  # fmt: skip
    cycles = int(most["latency_ms"] * board.clock.hz / 1e3)
    limit = Need(int(most["flash_bytes"]) - (rest.flash or 0), int(most["ram_bytes"]) - (rest.ram or 0), cycles)
    say(
        f"budget on {board.name}: {most['flash_bytes']:,.0f} B of flash and {most['ram_bytes']:,.0f} B of RAM for the "
        f"image, {most['latency_ms']:g} ms per sample; the step may take {limit.flash:,} B, {limit.ram:,} B and "
        f"{limit.cycles:,} cycles"
    )
    return limit
