"""`tinyloc codegen`: from the bundle to C."""

from tinyloc.api.steps import generate, generated_line
from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.console import say
from tinyloc.cli.options import (
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    ReferenceOption,
    RunArgument,
    RunsDirOption,
    UpdatableOption,
)
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run


def codegen(
    run: RunArgument,
    arithmetic: ArithmeticOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    reference: ReferenceOption = None,
    updatable: UpdatableOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the model of a run to C: model.h, model.c, weights.c and manifest.json."""
    path, manifest = generate(find_run(run, runs_dir), arithmetic, backend, reference, updatable)
    write_json(json, manifest.model_dump(mode="json"))
    say(generated_line(path, manifest))
