"""`tinyloc fusion`: UWB ranges and dead reckoning, a filter whose covariance a small network steers."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.choices import FusionMethod, FusionPart, LevelChoice, Site
from tinyloc.cli.console import note, say
from tinyloc.cli.options import DEFAULT_BOARD, BoardOption
from tinyloc.cli.outputs import JsonOption, write_json

if TYPE_CHECKING:
    from tinyloc.device.fusion.fusion_image import FusionImage
    from tinyloc.training.fusion.filters.settings import FilterSettings
    from tinyloc.training.fusion.students.quantised import IntegerStudent

app = typer.Typer(
    help="Fuse UWB ranges with dead reckoning: run the study, and its filters on a board.", no_args_is_help=True
)
ResultsOption = Annotated[Path, typer.Option("--results", help="Directory that holds the results of the study.")]
RESULTS = Path("results/fusion")


@app.command("run")
def run(
    parts: Annotated[list[FusionPart] | None, typer.Argument(help="Parts of the study. Default: all parts.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with the two UWB data sets. Default: the usual places."),
    ] = None,
    walks: Annotated[
        int, typer.Option("--walks", min=2, help="Number of simulated test walks, each with its own seed.")
    ] = 24,
    language_model: Annotated[
        Path | None,
        typer.Option(
            "--language-model", help="Teach with this local model of transformers instead of tinyloc's teacher."
        ),
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--field", help="TOML file of the field study in place of tinyloc's own.")
    ] = None,
    teachers: Annotated[
        Path | None, typer.Option("--forecasts", help="TOML file that names the teachers of the forecasts.")
    ] = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Simulate, train, tune and test; writes one JSON file and one student per part (minutes per part).

    `variants` compares kinds of students in the corridor and needs the results of `corridor`. `field` is the guarded
    filter on new people, buildings, routes and recordings; `forecasts` compares teachers and losses, `ranges` measured
    and simulated range errors.
    """
    from tinyloc.training.fusion.filters.settings import DistilSettings
    from tinyloc.training.fusion.recordings.hanyang import load_moving
    from tinyloc.training.fusion.recordings.published import load_recordings, recordings_folder
    from tinyloc.training.fusion.study.field import SETTINGS as FIELD_SETTINGS
    from tinyloc.training.fusion.study.field import load_settings as field_settings
    from tinyloc.training.fusion.study.field import run_field
    from tinyloc.training.fusion.study.forecasts import SETTINGS as FORECAST_SETTINGS
    from tinyloc.training.fusion.study.forecasts import load_settings as forecast_settings
    from tinyloc.training.fusion.study.forecasts import run_forecasts
    from tinyloc.training.fusion.study.range_comparison import run_ranges
    from tinyloc.training.fusion.study.real import real_settings, run_real
    from tinyloc.training.fusion.study.record import StudySettings
    from tinyloc.training.fusion.study.study import run_site
    from tinyloc.training.fusion.study.variants import run_variants

    wanted = parts or list(FusionPart)
    distil = DistilSettings(language_model=str(language_model) if language_model else None)
    settings = StudySettings(test_walks=walks, distil=distil)
    if FusionPart.REAL in wanted:
        data = data or recordings_folder()
        load_recordings(data)  # a problem with the data shows before minutes are spent
    if FusionPart.FIELD in wanted or FusionPart.RANGES in wanted:
        data = data or recordings_folder()
        load_moving(data)
    field = field_settings(study or FIELD_SETTINGS)
    forecasts = forecast_settings(teachers or FORECAST_SETTINGS)
    for part in wanted:
        if part is FusionPart.REAL and data is not None:
            run_real(data, real_settings(), results, note)
        elif part is FusionPart.FIELD and data is not None:
            run_field(field, data, results, note)
        elif part is FusionPart.RANGES and data is not None:
            run_ranges(data, results)
        elif part is FusionPart.FORECASTS:
            run_forecasts(forecasts, results, note)
        elif part is FusionPart.VARIANTS:
            run_variants(FusionPart.CORRIDOR.value, settings, results, note)
        else:
            run_site(part.value, settings, results, note)
    say(f"{', '.join(wanted)}: written to {results}; show the tables with `tinyloc fusion table`")


@app.command("table")
def table(
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Draw the error distributions into this folder.")
    ] = None,
    results: ResultsOption = RESULTS,
    json: JsonOption = None,
) -> None:
    """Show the tables of the study as Markdown, from recorded results."""
    from tinyloc.training.fusion.study.table import draw, load_records, tables

    typer.echo(tables(results))
    if plots is not None:
        for path in draw(results, plots):
            note(f"{path} written")
    sites, real = load_records(results)
    write_json(
        json,
        {
            "sites": [record.model_dump(mode="json") for record in sites],
            "real": real.model_dump(mode="json") if real is not None else None,
        },
    )


SiteArgument = Annotated[Site, typer.Argument(help="Simulated site, with its anchors, student and tuned filter.")]
MethodOption = Annotated[FusionMethod, typer.Option("--method", help="Rule for the covariance.")]
OptimiseOption = Annotated[LevelChoice, typer.Option("--optimise", help="Optimise for size (Os) or speed (O2).")]


def made(
    site: Site, board: str, method: FusionMethod, optimise: LevelChoice, results: Path, folder: Path
) -> "tuple[FusionImage, IntegerStudent, FilterSettings]":
    """Make code and image of a filter of the study in the empty directory `folder`."""
    from tinyloc.boards import load_board
    from tinyloc.codegen.fusion import compile_fusion
    from tinyloc.device.fusion.fusion_image import build_fusion
    from tinyloc.device.image.build import Optimise
    from tinyloc.errors import UserError
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.students.student_files import load_student
    from tinyloc.training.fusion.study.record import load_record
    from tinyloc.training.fusion.study.table import load_field

    found = load_board(board)
    if method in (FusionMethod.ROBUST, FusionMethod.GUARDED):  # of no site: they serve any
        field = load_field(results)[0]
        if field is None:
            raise UserError(f"{results / 'field.json'}: no results here; make them with `tinyloc fusion run field`")
        settings, student = field.tuned[method][0], load_student(results / "field-student.json")
    else:
        settings = load_record(results, site).tuned[method]
        student = load_student(results / f"{site}-student.json")
    compile_fusion(student, settings, place(site).anchors, folder / "generated")
    (folder / "firmware").mkdir()
    level: Optimise = "Os" if optimise is LevelChoice.SIZE else "O2"
    return build_fusion(folder / "generated", found, folder / "firmware", level), student, settings


@app.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="Directory for code and image; an earlier one is replaced.")],
    site: SiteArgument = Site.LOOP,
    board: BoardOption = DEFAULT_BOARD,
    method: MethodOption = FusionMethod.STEERED,
    optimise: OptimiseOption = LevelChoice.SIZE,
    results: ResultsOption = RESULTS,
) -> None:
    """Compile a filter and its student to C, and build an image that takes ranges and inertial samples."""
    from tinyloc.errors import UserError
    from tinyloc.files import whole_directory

    if out.exists() and not (out / "generated").is_dir() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} holds other files than a fusion build; give another directory")
    with whole_directory(out) as folder:
        image, _, _ = made(site, board, method, optimise, results, folder)
    say(f"{out / 'firmware' / image.elf.name}: {_sizes(image)}")


@app.command("emulate")
def emulate(
    site: SiteArgument = Site.LOOP,
    board: BoardOption = DEFAULT_BOARD,
    method: MethodOption = FusionMethod.STEERED,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Number of the simulated test walk.")] = 0,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Length of the walk in seconds.")] = 30.0,
    optimise: OptimiseOption = LevelChoice.SIZE,
    wait_states: Annotated[
        int | None,
        typer.Option("--wait-states", min=0, max=15, help="Wait states of a flash read. Default: the board's own."),
    ] = None,
    results: ResultsOption = RESULTS,
    json: JsonOption = None,
) -> None:
    """Run a filter on an emulated board along a walk. Exit code 1: its positions differ from the Python reference."""
    import tempfile
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FAILED
    from tinyloc.device.emulator import EmulatedDevice
    from tinyloc.device.emulator.flash_reads import timing_of
    from tinyloc.device.fusion.fusion_client import FusionClient
    from tinyloc.device.fusion.fusion_walk import TOLERANCE_M, costs_by_entry, run_walk
    from tinyloc.training.fusion.simulation.simulate import simulate
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.study.record import TEST_SEED

    with tempfile.TemporaryDirectory(prefix="tinyloc-fusion-") as name:
        image, student, settings = made(site, board, method, optimise, results, Path(name))
        wired = load_board(board)
        waits = wired.clock.flash_wait_states if wait_states is None else wait_states
        device = EmulatedDevice(image.elf, wired, measure=True, timing=timing_of(wired, waits, True))
        walk = simulate(place(site), TEST_SEED + seed)
        client = FusionClient(device)
        client.hello()
        outcome = run_walk(client, walk, student, settings, seconds)
    costs, equal = costs_by_entry(device.runs), outcome.apart_m < TOLERANCE_M
    stack, counts = outcome.fixes[-1].stack_high_water, outcome.fixes[-1].counts
    say(f"{site}, walk {seed}, {method}, {len(outcome.fixes)} epochs on {board}: RMSE {outcome.rmse_m:.2f} m")
    typer.echo(
        f"device and reference differ by at most {1e3 * outcome.apart_m:.3f} mm ({1e3 * TOLERANCE_M:g} mm allowed): "
        f"{'ok' if equal else 'TOO FAR'}"
    )
    for entry, cost in costs.items():
        say(f"{entry}: {cost.mean:,} modelled cycles on average, {cost.most:,} at most, {waits} flash wait states")
    say(f"counted on the device: {', '.join(f'{name} {count:,}' for name, count in counts.items() if count)}")
    say(f"{_sizes(image)}; {stack:,} bytes of stack used")
    write_json(
        json,
        {
            "site": site, "board": board, "method": method, "seed": seed, "epochs": len(outcome.fixes),
            "counts": counts, "rmse_m": outcome.rmse_m, "apart_m": outcome.apart_m, "tolerance_m": TOLERANCE_M,
            "wait_states": waits,
            "cycles": {entry: asdict(cost) for entry, cost in costs.items()}, "fusion_flash_bytes": image.fusion_flash,
            "student_flash_bytes": image.student_flash, "image_flash_bytes": image.image_flash,
            "state_bytes": image.state, "stack_bytes": stack, "stack_bound_bytes": image.stack.bytes,
        },
    )  # fmt: skip
    if not equal:
        raise typer.Exit(FAILED)


@app.command("record")
def record(
    out: Annotated[Path, typer.Argument(help="Directory for the recording; an earlier one is replaced.")],
    site: Annotated[Site, typer.Option("--site", help="Simulated site.")] = Site.CORRIDOR,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Number of the simulated test walk.")] = 0,
) -> None:
    """Write a simulated walk as a recording: an example of the format of own recordings."""
    from tinyloc.errors import UserError
    from tinyloc.training.fusion.recordings.write import save_walk
    from tinyloc.training.fusion.simulation.simulate import simulate
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.study.record import TEST_SEED

    if out.exists() and not (out / "ranges.csv").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} holds other files than a recording; give another directory")
    save_walk(simulate(place(site), TEST_SEED + seed), out)
    say(f"{out}: anchors.csv, ranges.csv, imu.csv, truth.csv and walk.toml of a simulated walk")
    say(f"check it: tinyloc fusion check {shlex.quote(str(out))}")


@app.command("check")
def check(
    recording: Annotated[Path, typer.Argument(help="Directory of the recording: ranges, inertial sensor, anchors.")],
    json: JsonOption = None,
) -> None:
    """Check your own recording of UWB ranges and an inertial sensor, and run the fixed filter on it."""
    from dataclasses import asdict

    import numpy as np

    from tinyloc.training.fusion.filters.batch import prepare
    from tinyloc.training.fusion.filters.scores import errors
    from tinyloc.training.fusion.filters.settings import FilterSettings
    from tinyloc.training.fusion.filters.tuning import track
    from tinyloc.training.fusion.recordings.own import load_walk

    own = load_walk(recording)
    for line in own.lines():
        say(line)
    batch = prepare([own.walk], own.settings.k)
    found = track(batch, FilterSettings(), None)
    distance = errors(found.position_m, batch.truth_m, found.started & batch.valid)[0]
    rmse = float(np.sqrt((distance**2).mean())) if len(distance) else None
    if rmse is not None:
        say(
            f"fixed filter, untuned: RMSE {rmse:.2f} m, greatest error {distance.max():.2f} m, {len(distance):,} epochs"
        )
    write_json(
        json,
        {
            "epochs": len(own.walk.time_s), "epochs_hz": own.epochs_hz, "imu_hz": own.imu_hz, "gaps": own.gaps,
            "gap_share": own.gap_share, "clocks": asdict(own.clocks), "start_heading": own.walk.start_heading,
            "heading_from": own.heading_from, "moved": [asdict(one) for one in own.moved], "fixed_rmse_m": rmse,
        },
    )  # fmt: skip


def _sizes(image: "FusionImage") -> str:
    return (
        f"{image.image_flash:,} bytes of flash, {image.fusion_flash:,} of them the fusion ({image.student_flash:,} its "
        f"student); {image.state:,} bytes of state, a stack of at most {image.stack.bytes:,}"
    )
