"""From a finished run to its bundle: ONNX, float and integer TFLite, parity of every stage, contract, bundle.json."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.provenance import Provenance, Source, step
from tinyloc.bundle.schema import TEST_SET, Arithmetic, Build, Bundle, Crf, ModelFile, State, sha256, write_bundle
from tinyloc.export import contract, parity
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, graph, load, tensor_name
from tinyloc.export.float_file import float_file
from tinyloc.export.integer_file import integer_file, widths_of
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.rank_widths import NO_LIMIT, Need, rank_widths, ranking_table
from tinyloc.export.step_names import INPUT, OUTPUT, StepNames
from tinyloc.export.step_ranges import calibration_streams, step_ranges
from tinyloc.export.to_onnx import record, to_onnx
from tinyloc.export.to_tflite import to_tflite
from tinyloc.files import whole_directory
from tinyloc.training.calibration import calibration_stream
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.mdcsa import MdcsaLocaliser
from tinyloc.training.preprocess import model_input, readings_dbm
from tinyloc.training.run import TrainedRun, load_run

Array = npt.NDArray[np.float32]
Tell = Callable[[str], None]

PARITY_SAMPLES = 600
EXPLAIN_SAMPLES = 200
FLOAT_BOUND = 1e-3
"""Error that a float stage may add: single precision, and where the norm's epsilon is added (step_form.py)."""
INTEGER_BOUND: dict[Arithmetic, float] = {"int8": 0.15, "int16x8": 0.08, "mixed": 0.15}
"""Error over which an arithmetic is not fit to be a bundle's default."""
TOOLS = ("tinyloc", "torch", "onnx", "onnx2tf", "ai-edge-litert", "numpy")


@dataclass(frozen=True)
class Exported:
    """The files of a step and what each stage cost."""

    names: StepNames
    float_file: bytes
    files: dict[Arithmetic, bytes]
    stages: list[parity.StageError]
    ranges: Mapping[str, Range] = field(default_factory=dict)


def export_model(
    model: Localiser,
    calibration: Array,
    streams: parity.Streams,
    onnx: Path,
    arithmetics: Sequence[Arithmetic],
    tell: Tell = lambda line: None,
    apart: bool = False,
    widths: Mapping[str, str] | None = None,
) -> Exported:
    """Export the step of a model. Writes `onnx`, returns the TFLite files.

    calibration (T, P): a stream of model input that ranges are measured on. streams: recordings for the parity checks.
    apart: devices start anew at every sample, so ranges are of steps from a zero state. widths: of the arithmetic
    "mixed", by layer pattern.
    Raises ExportError when a stage fails, departs from the one before, or an integer file breaks its contract.
    """
    tell("ONNX")
    names = to_onnx(model, onnx)
    stages, scores = _float_stages(model, onnx, names, streams)
    tell("TFLite (onnx2tf)")
    sample = {name: rows[-1:] for name, rows in record(model, calibration[: len(calibration) // 2 + 1]).items()}
    exact = float_file(to_tflite(onnx), onnx, names, sample)
    content = dump(exact)
    reference = parity.tflite_scores(content, names, streams)
    stages.append(_bounded(parity.compare("tflite", "onnx", reference, scores)))
    tell(f"ranges of {len(calibration)} samples")
    measured = calibration_streams(calibration, apart)
    found = integer_files(
        exact, content, names, measured, streams, arithmetics, model.crf is not None, widths or {},
        own=model.settings.own,
    )  # fmt: skip
    return Exported(names, content, found.files, [*stages, *found.stages], found.ranges)


def integer_files(
    exact: Any,
    content: bytes,
    names: StepNames,
    measured: parity.Streams,
    streams: parity.Streams,
    arithmetics: Sequence[Arithmetic],
    has_crf: bool,
    widths: Mapping[str, str],
    own: bool = False,
) -> Exported:
    """Quantise the float file of a step.

    Args:
        exact: the file as an object; content: its bytes.
        names: of its ends.
        measured: streams (T, P) of model input that ranges are measured on, each from a zero state.
        streams: of the parity checks.
        arithmetics: forms to make.
        has_crf: a CRF adds up the scores, so that none may saturate.
        widths: of the arithmetic "mixed".
        own: a network that is not tinyloc's: the quantiser and the compiler say what they do not know.

    Raises:
        ExportError: a file breaks its contract.
    """
    reference = parity.tflite_scores(content, names, streams)
    ranges = step_ranges(content, names, measured, path=has_crf)
    # below what integers hold no decision asks which score is less
    lowest = -np.inf if has_crf else ranges[OUTPUT][0]
    files: dict[Arithmetic, bytes] = {}
    stages = []
    for arithmetic in arithmetics:
        files[arithmetic] = integer_file(exact, names, ranges, widths_of(arithmetic, widths))
        broken = contract.problems(files[arithmetic], names, arithmetic, any_operator=own)
        if broken:
            raise ExportError(f"the {arithmetic} file breaks its contract: {'; '.join(broken)}")
        found = parity.tflite_scores(files[arithmetic], names, streams)
        stages.append(parity.compare(arithmetic, "tflite", found.clip(lowest), reference.clip(lowest)))
    return Exported(names, content, files, stages, ranges)


def _float_stages(
    model: Localiser, onnx: Path, names: StepNames, streams: parity.Streams
) -> tuple[list[parity.StageError], Array]:
    window = parity.window_scores(model, streams)
    step = parity.step_scores(model, streams)
    folded = parity.step_form_scores(model, streams)
    scores = parity.onnx_scores(onnx, names, streams)
    stages = [
        parity.compare("step", "window", step, window),
        parity.compare("step form", "step", folded, step),
        parity.compare("onnx", "step form", scores, folded),
    ]
    return [_bounded(stage) for stage in stages], scores


def _bounded(stage: parity.StageError) -> parity.StageError:
    if not stage.error <= FLOAT_BOUND:
        raise ExportError(
            f"stage {stage.stage} differs from {stage.against} by {stage.error:.2g} of the scores' deviation, more "
            f"than {FLOAT_BOUND:.0e}: a bug of the export, or a tool has another version than pyproject.toml pins"
        )
    return stage


def export_run(
    run_directory: Path,
    arithmetics: Sequence[Arithmetic] | None = None,
    explain: bool = False,
    tell: Tell = lambda line: None,
    need: Callable[[bytes, StepNames], Need] | None = None,
    bounded: bool = True,
    limit: Callable[[Path, bytes, StepNames], Need] | None = None,
) -> Path:
    """Export a finished run to `run_directory/bundle`, whole or not at all; returns that directory.

    arithmetics: those of the recipe when not given. `tell` gets lines of text: what is done, then the table of stages,
    and with `explain` a table of layers for each integer file; with `need`, which asks the compiler what a file takes,
    a ranking of layers by width too, along calibration data, and widths proposed within `limit`: what the step may
    take, asked once the bundle is there, of its directory and its default file. Without `bounded` the default
    arithmetic may be as coarse as it is: first weights are exported to learn what they take. Raises ExportError,
    TrainingError.
    """
    run = load_run(run_directory)
    if isinstance(run.model, MdcsaLocaliser) and not run.model.streaming:
        raise ExportError(
            f"{run_directory}: model.attention = 'window' is there to compare with; it computes the whole window at "
            "each sample and is not deployed. Train with model.attention = 'streaming'"
        )
    wanted = list(arithmetics or run.recipe.export.arithmetics)
    default = run.recipe.export.default if run.recipe.export.default in wanted else wanted[0]
    streams = parity_streams(run)
    directory = run_directory / "bundle"
    with whole_directory(directory) as place:
        exported = export_model(
            run.model, calibration_stream(run.calibration), streams, place / "model.onnx", wanted, tell,
            apart=run.test_set.apart, widths=run.recipe.export.widths,
        )  # fmt: skip
        tell(parity.stage_table(exported.stages))
        if bounded:
            _check_default(exported.stages, default, tell)
        for arithmetic, content in exported.files.items():
            (place / f"model_{arithmetic}.tflite").write_bytes(content)
            if explain:
                explained = parity_streams(run, EXPLAIN_SAMPLES)
                layers = parity.layer_errors(exported.float_file, content, exported.names, explained)
                tell(f"{arithmetic}, one step from the float state:\n{parity.layer_table(layers)}")
        shutil.copy(run_directory / TEST_SET, place / TEST_SET)
        bundle = _bundle(run, exported, place, default)
        write_bundle(bundle, place)
    if explain and need is not None:
        tell("widths, layer by layer")
        most = NO_LIMIT if limit is None else limit(directory, exported.files[default], exported.names)
        tell(_ranking(run, exported, need, most))
    return directory


def _ranking(run: TrainedRun, exported: Exported, need: Callable[[bytes, StepNames], Need], limit: Need) -> str:
    """Of the calibration data, not of the test set: widths are chosen by it."""
    stream = calibration_stream(run.calibration)[:EXPLAIN_SAMPLES]
    streams = list(stream[:, None]) if run.test_set.apart else [stream]

    def of(content: bytes) -> Need:
        return need(content, exported.names)

    lowest = -np.inf if run.model.crf is not None else exported.ranges[OUTPUT][0]
    return ranking_table(rank_widths(exported.float_file, exported.names, exported.ranges, streams, of, limit, lowest))


def parity_streams(run: TrainedRun, limit: int = PARITY_SAMPLES) -> list[Array]:
    """The first `limit` test samples as model input, a recording each."""
    streams: list[Array] = []
    left = limit
    for recording in run.test_set.recordings():
        if left <= 0:
            break
        raw = run.test_set.rssi_dbm[recording][:left]
        streams.append(model_input(readings_dbm(raw), run.preprocessing))
        left -= len(raw)
    return streams


def _check_default(stages: Sequence[parity.StageError], default: Arithmetic, tell: Tell) -> None:
    for stage in stages:
        for arithmetic, bound in INTEGER_BOUND.items():
            if stage.stage != arithmetic or stage.error <= bound:
                continue
            found = f"{arithmetic} differs by {stage.error:.2f} of the scores' deviation (bound {bound:g})"
            if arithmetic == default:
                raise ExportError(
                    f"{found} and is the default arithmetic; set another under [export] in the recipe, or see which "
                    "layer costs it with `tinyloc export --explain`"
                )
            tell(f"note: {found}; it is in the bundle but is not the default")


def _bundle(run: TrainedRun, exported: Exported, place: Path, default: Arithmetic) -> Bundle:
    crf = run.model.crf
    return Bundle(
        name=run.name,
        architecture=run.model.settings.kind,
        preprocessing=run.preprocessing,
        window=run.window,
        outputs=run.outputs,
        site=run.record.site,
        crf=None
        if crf is None
        else Crf(transitions=crf.transitions.tolist(), start=crf.start.tolist(), end=crf.end.tolist()),
        models=[
            model_file(place, kind, content, exported.names, widths_of(kind, run.recipe.export.widths))
            for kind, content in exported.files.items()
        ],
        test_sha256=sha256(place / TEST_SET),
        default_arithmetic=default,
        parameters=run.record.parameters,
        parameters_published=run.record.parameters_published,
        float_metrics=run.record.test,
        comparison=run.record.comparison,
        budget=run.recipe.budget,
        build=Build(**run.recipe.build.model_dump()),
        data=Source(
            name=run.record.data,
            title=run.record.data_title,
            licence=run.record.licence,
            citation=run.record.citation,
            sha256=run.record.data_sha256,
        ),
        provenance=Provenance(
            seeds=_seeds(run),
            versions={**run.versions, **tool_versions()},
            steps=[*run.record.made_by, step("export")],
        ),
        settings={"recipe": run.record.settings, "parity": [stage.as_dict() for stage in exported.stages]},
    )


def model_file(
    place: Path, arithmetic: Arithmetic, content: bytes, names: StepNames, widths: Mapping[str, str]
) -> ModelFile:
    """Describe an integer file of a bundle.

    Args:
        place: directory of the bundle, which holds the file already.
        arithmetic: form of the file; it names the file.
        content: the file's bytes.
        names: ends and states of the step.
        widths: bits by layer pattern.
    """
    path = f"model_{arithmetic}.tflite"
    part = graph(load(content))
    shapes = {tensor_name(part.tensors[i]): [int(n) for n in part.tensors[i].shape] for i in part.inputs}
    states = [
        State(name=name, input=source, output=target, shape=shapes[source])
        for name, source, target in zip(names.states, names.state_inputs, names.state_outputs, strict=True)
    ]
    return ModelFile(
        arithmetic=arithmetic,
        path=path,
        sha256=sha256(place / path),
        input=INPUT,
        output=OUTPUT,
        states=states,
        widths=dict(widths),
    )


def _seeds(run: TrainedRun) -> dict[str, int]:
    """The training's, and those among the options of the data set."""
    options = {key: value for key, value in run.recipe.data.options.items() if key.endswith("seed")}
    return {"training": run.seed, **{f"data.{key}": int(value) for key, value in options.items()}}


def tool_versions() -> dict[str, Any]:
    """Versions of what exports, by package."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
