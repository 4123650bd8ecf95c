"""`tinyloc codegen`: from the bundle to C."""

from tinyloc.commands.choices import BackendChoice
from tinyloc.commands.console import say
from tinyloc.commands.options import (
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    ReferenceOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.commands.outputs import JsonOption, write_json
from tinyloc.commands.runs import find_run
from tinyloc.commands.steps import generate, generated_line


def codegen(
    run: RunArgument,
    arithmetic: ArithmeticOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    reference: ReferenceOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the model of a run to C: model.h, model.c, weights.c and manifest.json."""
    path, manifest = generate(find_run(run, runs_dir), arithmetic, backend, reference)
    write_json(json, manifest.model_dump(mode="json"))
    say(generated_line(path, manifest))
