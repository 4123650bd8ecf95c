"""`tinyloc library`: models as one directory of C that your own firmware links."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.complete import ZOO_PREFIX
from tinyloc.cli.console import say
from tinyloc.cli.network_options import StateOption, StepOption, state_pairs
from tinyloc.cli.options import RUNS_DIR, ArithmeticOption, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from tinyloc.codegen.library.model import LibraryModel

FUSION_PREFIX = "fusion:"
FUSION_RESULTS = Path("results/fusion")


def library(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Runs, zoo:NAME, .tflite files, fusion:corridor or fusion:loop; several share kernels.",
            autocompletion=complete.runs,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Directory of the library; an earlier library is replaced.")],
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Name in C, once per model, in their order. Default: the model's own name, made valid."
        ),
    ] = None,
    arithmetic: ArithmeticOption = None,
    state: StateOption = None,
    step: StepOption = False,
    sizes: Annotated[
        bool, typer.Option("--sizes/--no-sizes", help="Measure flash, RAM, stack and cycles for each core.")
    ] = True,
    results: Annotated[
        Path, typer.Option("--results", help="Directory that holds the results of the fusion study.")
    ] = FUSION_RESULTS,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Write models as a C library: headers, sources, build files, examples, a self-test.

    Exit code 1: the self-test differs in the emulator.
    """
    from tinyloc.cli.publish import FAILED
    from tinyloc.codegen.library.c_names import check_names, model_name
    from tinyloc.codegen.library.layout import check_output, library_files, write_library
    from tinyloc.codegen.library.model import from_bundle, from_tflite
    from tinyloc.errors import UserError

    began = time.monotonic()
    if name and len(name) != len(models):
        raise UserError(f"--name is given {len(name)} times for {len(models)} models; give it once per model")
    names = name or [model_name(_title(model)) for model in models]
    check_names(names)
    check_output(out)
    made: list[LibraryModel] = []
    runs: dict[str, Path] = {}
    for model, own in zip(models, names, strict=True):
        if model.startswith(FUSION_PREFIX):
            made.append(_fusion(model.removeprefix(FUSION_PREFIX), own, results))
        elif model.endswith(".tflite"):
            made.append(from_tflite(Path(model), own, state_pairs(state), step))
        else:
            layout = find_run(model, runs_dir)
            bundle = layout.need(layout.bundle, "export")
            made.append(from_bundle(bundle, own, _title(model), layout.arithmetic(arithmetic)))
            runs[own] = layout.path
    figures = {}
    if sizes:
        from tinyloc.device.image.library_record import save_sizes
        from tinyloc.device.image.library_sizes import measure_models

        figures = measure_models(made)
        for each in made:
            if each.name in runs:  # for the report of the run
                save_sizes(runs[each.name], each.facts["model_id"], figures[each.name])
    files = library_files(made, figures)
    write_library(out, files)
    for each in made:
        for board, found in figures.get(each.name, {}).items():
            cycles = f"{found['cycles']:,} cycles per sample" if found["cycles"] is not None else "no cycles measured"
            say(
                f"{each.name}, {found['core']} ({board}): {found['code_bytes']:,} bytes of code, "
                f"{found['constant_bytes']:,} of constants, {found['context_bytes']:,} of RAM, a stack of at most "
                f"{found['largest_stack_bytes']:,}, {cycles}; self-test {found['selftest']}"
            )
    say(f"{out}: {len(files)} files, {', '.join(f'{n}::{n}' for n in names)}")
    write_json(json, {"models": names, "sizes": figures, "seconds": round(time.monotonic() - began, 2)})
    if any(found["selftest"] != "equal" for boards in figures.values() for found in boards.values()):
        raise typer.Exit(FAILED)


def _title(model: str) -> str:
    if model.startswith((ZOO_PREFIX, FUSION_PREFIX)):
        return model.split(":", 1)[1]
    return Path(model).stem


def _fusion(site: str, name: str, results: Path) -> "LibraryModel":
    from tinyloc.codegen.library.fusion import from_fusion
    from tinyloc.errors import UserError
    from tinyloc.training.fusion.simulation.sites import site as place
    from tinyloc.training.fusion.students.student_files import load_student
    from tinyloc.training.fusion.study.record import load_record

    if site not in ("corridor", "loop"):
        raise UserError(f"{FUSION_PREFIX}{site}: unknown site; choose fusion:corridor or fusion:loop")
    settings = load_record(results, site).tuned["steered"]
    return from_fusion(
        load_student(results / f"{site}-student.json"), settings, place(site).anchors, name, f"fusion:{site}"
    )
