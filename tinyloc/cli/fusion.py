"""`tinyloc fusion`: UWB ranges and dead reckoning, a filter whose covariance a small network steers."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.layout import DEFAULT_BOARD, BoardOption, JsonOption, write_json

if TYPE_CHECKING:
    from tinyloc.device.fusion.fusion_image import FusionImage
    from tinyloc.training.fusion.filters.settings import FilterSettings
    from tinyloc.training.fusion.students.quantised import IntegerStudent

app = typer.Typer(
    help="Fusion of UWB ranges and dead reckoning: the study, and its filters on a board.", no_args_is_help=True
)
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of the study's results.")]
RESULTS = Path("results/fusion")


class Part(StrEnum):
    """What of the study is run."""

    CORRIDOR = "corridor"
    LOOP = "loop"
    REAL = "real"
    VARIANTS = "variants"


@app.command("run")
def run(
    parts: Annotated[list[Part] | None, typer.Argument(help="Parts of the study; without any, all.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with the two UWB data sets; without it the usual places are searched."),
    ] = None,
    walks: Annotated[int, typer.Option("--walks", min=2, help="Simulated test walks, a seed each.")] = 24,
    language_model: Annotated[
        Path | None,
        typer.Option("--language-model", help="Teach with this local model of transformers in place of our own."),
    ] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Simulate, train, tune and test; writes one JSON and one student a part (minutes each).

    `variants` compares kinds of students in the corridor and needs its results.
    """
    from tinyloc.training.fusion.filters.settings import DistilSettings
    from tinyloc.training.fusion.simulation.recordings import load_recordings, recordings_folder
    from tinyloc.training.fusion.study.real import real_settings, run_real
    from tinyloc.training.fusion.study.record import StudySettings
    from tinyloc.training.fusion.study.study import run_site
    from tinyloc.training.fusion.study.variants import run_variants

    def progress(text: str) -> None:
        typer.echo(text, err=True)

    wanted = parts or list(Part)
    distil = DistilSettings(language_model=str(language_model) if language_model else None)
    settings = StudySettings(test_walks=walks, distil=distil)
    if Part.REAL in wanted:
        data = data or recordings_folder()
        load_recordings(data)  # told before minutes are spent
    for part in wanted:
        if part is Part.REAL and data is not None:
            run_real(data, real_settings(), results, progress)
        elif part is Part.VARIANTS:
            run_variants(Part.CORRIDOR.value, settings, results, progress)
        else:
            run_site(part.value, settings, results, progress)
    typer.echo(f"{', '.join(wanted)}: written to {results}; show with `tinyloc fusion table`")


@app.command("table")
def table(
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Also draw the error distributions into this folder.")
    ] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Show the tables of the study as Markdown, from its JSON."""
    from tinyloc.training.fusion.study.table import draw, tables

    typer.echo(tables(results))
    if plots is not None:
        for path in draw(results, plots):
            typer.echo(f"{path} written", err=True)


class Method(StrEnum):
    """Filters of the study that run on a board."""

    FIXED = "fixed"
    GATED = "gated"
    ADAPTIVE = "adaptive"
    VARIANCE = "variance"
    STEERED = "steered"


SiteArgument = Annotated[Part, typer.Argument(help="Simulated site: its anchors, student and tuned filter.")]
MethodOption = Annotated[Method, typer.Option("--method", help="The rule for the covariance.")]
OptimiseOption = Annotated[str, typer.Option("--optimise", help="Os (size) or O2 (speed).")]


def _made(
    site: Part, board: str, method: Method, optimise: str, results: Path, folder: Path
) -> "tuple[FusionImage, IntegerStudent, FilterSettings]":
    """Generated code and image of a filter of the study, in the empty directory `folder`."""
    from tinyloc.boards import load_board
    from tinyloc.codegen.fusion import compile_fusion
    from tinyloc.device.fusion.fusion_image import build_fusion
    from tinyloc.device.image.build import Optimise
    from tinyloc.errors import UserError
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.students.student_files import load_student
    from tinyloc.training.fusion.study.record import load_record

    if site not in (Part.CORRIDOR, Part.LOOP):
        raise UserError(f"{site} is no site: say corridor or loop")
    if optimise not in ("Os", "O2"):
        raise UserError(f"--optimise {optimise}: must be Os (size) or O2 (speed)")
    found = load_board(board)
    settings = load_record(results, site).tuned[method]
    student = load_student(results / f"{site}-student.json")
    compile_fusion(student, settings, place(site).anchors, folder / "generated")
    (folder / "firmware").mkdir()
    level: Optimise = "Os" if optimise == "Os" else "O2"
    return build_fusion(folder / "generated", found, folder / "firmware", level), student, settings


@app.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="Directory for generated code and image; replaced as a whole.")],
    site: SiteArgument = Part.LOOP,
    board: BoardOption = DEFAULT_BOARD,
    method: MethodOption = Method.STEERED,
    optimise: OptimiseOption = "Os",
    results: ResultsOption = RESULTS,
) -> None:
    """Generate the C of a filter and its student, and build an image that takes ranges and inertial samples."""
    from tinyloc.errors import UserError
    from tinyloc.files import whole_directory

    if out.exists() and not (out / "generated").is_dir() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} holds other things than a build with fusion; give another directory")
    with whole_directory(out) as folder:
        image, _, _ = _made(site, board, method, optimise, results, folder)
    typer.echo(f"{out / 'firmware' / image.elf.name}: {_sizes(image)}")


@app.command("emulate")
def emulate(
    site: SiteArgument = Part.LOOP,
    board: BoardOption = DEFAULT_BOARD,
    method: MethodOption = Method.STEERED,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulated walk, counted from the study's.")] = 0,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="How much of the walk.")] = 30.0,
    optimise: OptimiseOption = "Os",
    results: ResultsOption = RESULTS,
    json: JsonOption = None,
) -> None:
    """Walk through a site on an emulated board. Exit code 1: the device strays from the reference in Python."""
    import tempfile
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FOUND_WANTING
    from tinyloc.device.emulator import EmulatedDevice
    from tinyloc.device.fusion.fusion_client import FusionClient
    from tinyloc.device.fusion.fusion_walk import TOLERANCE_M, costs_by_entry, run_walk
    from tinyloc.training.fusion.simulation.simulate import simulate
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.study.record import TEST_SEED

    with tempfile.TemporaryDirectory(prefix="tinyloc-fusion-") as name:
        image, student, settings = _made(site, board, method, optimise, results, Path(name))
        device = EmulatedDevice(image.elf, load_board(board), measure=True)
        walk = simulate(place(site), TEST_SEED + seed)
        client = FusionClient(device)
        client.hello()
        outcome = run_walk(client, walk, student, settings, seconds)
    costs, equal = costs_by_entry(device.runs), outcome.apart_m < TOLERANCE_M
    stack = outcome.fixes[-1].stack_high_water
    typer.echo(f"{site}, walk {seed}, {method}, {len(outcome.fixes)} epochs on {board}: RMSE {outcome.rmse_m:.2f} m")
    typer.echo(
        f"device and reference at most {1e3 * outcome.apart_m:.3f} mm apart ({1e3 * TOLERANCE_M:g} mm allowed): "
        f"{'ok' if equal else 'TOO FAR'}"
    )
    for entry, cost in costs.items():
        typer.echo(f"{entry}: {cost.mean:,} modelled cycles on average, {cost.most:,} at most")
    typer.echo(f"{_sizes(image)}; {stack:,} bytes of stack used")
    write_json(
        json,
        {
            "site": site, "board": board, "method": method, "seed": seed, "epochs": len(outcome.fixes),
            "rmse_m": outcome.rmse_m, "apart_m": outcome.apart_m, "tolerance_m": TOLERANCE_M,
            "cycles": {entry: asdict(cost) for entry, cost in costs.items()}, "fusion_flash_bytes": image.fusion_flash,
            "student_flash_bytes": image.student_flash, "image_flash_bytes": image.image_flash,
            "state_bytes": image.state, "stack_bytes": stack, "stack_bound_bytes": image.stack.bytes,
        },
    )  # fmt: skip
    if not equal:
        raise typer.Exit(FOUND_WANTING)


def _sizes(image: "FusionImage") -> str:
    return (
        f"{image.image_flash:,} bytes of flash, {image.fusion_flash:,} of them the fusion ({image.student_flash:,} its "
        f"student); {image.state:,} bytes of state, a stack of at most {image.stack.bytes:,}"
    )
