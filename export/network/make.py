"""Network, description and samples -> a bundle directory, with parity, ranges and what calibration did not show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.provenance import Provenance, Source, step
from tinyloc.bundle.schema import (
    TEST_SET,
    Arithmetic,
    Bundle,
    Outputs,
    Preprocessing,
    TestSet,
    sha256,
    write_bundle,
)
from tinyloc.export import parity
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import constant, dump, graph, load, scales
from tinyloc.export.float_file import float_file, simplify
from tinyloc.export.integer_file import widths_of
from tinyloc.export.litert import StepRunner
from tinyloc.export.network.description import Description
from tinyloc.export.network.ends import POINTS_FIRST, TIME_FIRST, Step, as_step, name_ends
from tinyloc.export.network.float_answers import FLOAT_FILE
from tinyloc.export.network.samples import NetworkSamples
from tinyloc.export.pipeline import FLOAT_BOUND, INTEGER_BOUND, Exported, integer_files, model_file, tool_versions
from tinyloc.export.quantise_file import name_uniquely
from tinyloc.export.step_names import OUTPUT, StepNames
from tinyloc.export.to_tflite import to_tflite
from tinyloc.files import whole_directory
from tinyloc.training import preprocess
from tinyloc.training.data.dataset import Recording
from tinyloc.training.decide import decide_scores
from tinyloc.training.metrics import score_test_set
from tinyloc.training.models.crf import fixed_crf
from tinyloc.training.test_set import as_test_set

if TYPE_CHECKING:
    from torch import nn

Array = npt.NDArray[np.float32]
Tell = Callable[[str], None]
Check = Callable[[Path], None]

CALIBRATION_SAMPLES = 3000
PARITY_SAMPLES = 300
BEYOND_SHARE = 0.01
"""Of a value's calibrated span: what lies farther outside counts as outside."""


@dataclass(frozen=True)
class Given:
    """A network as it came: its name, and one of the ways to have it."""

    name: str
    module: "nn.Module | None" = None
    file: Path | None = None


def given_network(network: str, about: Description, folder: Path) -> Given:
    """Find what MODEL names: `module:Class`, or a file that ends in .pt2, .onnx or .tflite.

    Raises:
        ExportError: nothing of these, a pickle among them.
    """
    path = Path(network)
    weights = folder / about.network.weights if about.network.weights else None
    if path.suffix in (".pt", ".pth", ".pkl", ".ckpt", ".bin"):
        raise ExportError(
            f"{path}: a pickle may run any code, so it is not unpickled. Give the class as module:Class, and the file "
            "of its state dict as network.weights; or an exported program (.pt2), ONNX or TFLite"
        )
    if path.suffix in (".onnx", ".tflite", ".pt2"):
        if not path.is_file():
            raise ExportError(f"{path}: no such file")
        if path.suffix != ".pt2":
            return Given(path.stem, file=path)
        from tinyloc.export.network.torch_module import load_program

        return Given(path.stem, module=load_program(path))
    if ":" not in network:
        raise ExportError(f"{network}: give module:Class, or a file that ends in .pt2, .onnx or .tflite")
    from tinyloc.export.network.torch_module import load_class

    return Given(network.rpartition(":")[2], module=load_class(network, about.network.arguments, weights))


def network_bundle(
    given: Given,
    about: Description,
    samples: NetworkSamples,
    directory: Path,
    tell: Tell = lambda line: None,
    check: Check = lambda path: None,
) -> Path:
    """Make a bundle of any network; whole or not at all.

    Args:
        given: the network.
        about: its ends, and what follows it.
        samples: readings in dBm that calibrate and test.
        directory: of the bundle.
        tell: gets a line for each step and finding.
        check: gets the directory before it stands; raises what the compiler refuses.

    Raises:
        ExportError: whatever does not fit, everything that is known at once.
    """
    preprocessing = _preprocessing(about, samples)
    points, classes = len(samples.access_points), len(samples.classes)
    calibration = _streams(samples.calibration, preprocessing, CALIBRATION_SAMPLES)
    test = _streams(samples.test, preprocessing)
    for line in samples.notes:
        tell(line)
    with whole_directory(directory) as place:
        model, made, integer = _step_file(given, about, points, classes, place, calibration[0], tell)
        for line in made.notes:
            tell(line)
        content = dump(model)
        if integer is None:
            exported = _quantised(model, content, made.names, calibration, about, tell)
        else:
            tell(f"the file holds integers ({integer}); its own answers stand for the float model's")
            exported = Exported(made.names, content, {integer: content}, [])
        _report_unseen(exported, calibration, test, samples, preprocessing, tell)
        for arithmetic, file in exported.files.items():
            (place / f"model_{arithmetic}.tflite").write_bytes(file)
        (place / FLOAT_FILE).write_bytes(content)
        test_set, figures = _test_set(content, made.names, samples, test, about)
        test_set.save(place / TEST_SET)
        bundle = _bundle(
            given, about, samples, preprocessing, made, exported, place, figures, _parameters(given, model)
        )
        write_bundle(bundle, place)
        check(place)
    return directory


def _preprocessing(about: Description, samples: NetworkSamples) -> Preprocessing:
    """As described; what is left out of the scaling is fitted on the calibration."""
    ends = about.input
    fitted = preprocess.fit(samples.calibration, samples.access_points)
    floor = fitted.floor_dbm if ends.floor_dbm is None else ends.floor_dbm
    ceiling = fitted.ceiling_dbm if ends.ceiling_dbm is None else ends.ceiling_dbm
    if ceiling <= floor:
        raise ExportError(f"input.ceiling_dbm = {ceiling:g} must lie above input.floor_dbm = {floor:g}")
    return Preprocessing(
        access_points=list(samples.access_points),
        floor_dbm=floor,
        ceiling_dbm=ceiling,
        exponent=ends.exponent,
        hold_samples=ends.hold_samples,
        combine=samples.combine or ends.combine,
    )


def _streams(recordings: Sequence[Recording], preprocessing: Preprocessing, most: int = 0) -> list[Array]:
    """Model input, a stream for each recording; each sample is one where they are apart. At most `most` samples."""
    streams: list[Array] = []
    left = most or sum(map(len, recordings))
    for recording in recordings:
        rows = preprocess.model_input(recording.rssi_dbm, preprocessing)[:left]
        left -= len(rows)
        streams += list(rows[:, None]) if recording.apart else [rows]
        if left <= 0:
            break
    return streams


def _step_file(
    given: Given, about: Description, points: int, classes: int, place: Path, sample: Array, tell: Tell
) -> tuple[Any, Step, Arithmetic | None]:
    """The network as a step, as a ModelT; its arithmetic where it holds integers already."""
    integer: Arithmetic | None = None
    if given.file is not None and given.file.suffix == ".tflite":
        model = _load(given.file)
        name_ends(model, about.network.input, about.network.output, about.network.states)
        integer = _arithmetic(model)
        if integer is None:
            simplify(model)
    else:
        onnx = place / "model.onnx"
        if given.module is not None:
            tell("ONNX")
            shapes = [_reading_shape(about, points), *(_state_shape(state) for state in about.network.states)]
            from tinyloc.export.network.torch_module import module_to_onnx

            module_to_onnx(given.module, shapes, [state.name for state in about.network.states], onnx)
        else:
            assert given.file is not None
            from tinyloc.export.network.onnx_file import step_onnx

            step_onnx(given.file, onnx, about.network.input, about.network.output, about.network.states)
        tell("TFLite (onnx2tf)")
        names = StepNames(tuple(state.name for state in about.network.states))
        model = float_file(to_tflite(onnx, as_they_are=True), onnx, names, _first_inputs(onnx))
        if given.module is not None:
            _compare_with_torch(given.module, model, names, about)
    made = as_step(model, [state.name for state in about.network.states], points, classes, about.input.order)
    if made.samples > 1 and about.input.samples not in (None, made.samples):
        raise ExportError(f"input.samples is {about.input.samples}; the network takes {made.samples}")
    return model, made, integer


def _load(path: Path) -> Any:
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ExportError(f"{path} is no TFLite file (no TFL3 mark)")
    try:
        model = load(content)
        if len(model.subgraphs) != 1:
            raise ExportError(f"{path} has {len(model.subgraphs)} subgraphs; control flow has no form on a device")
        name_uniquely(model)
        return model
    except ExportError:
        raise
    except Exception as error:  # a damaged flatbuffer fails anywhere
        raise ExportError(f"{path} is damaged ({type(error).__name__}: {error}); export the model again") from error


def _arithmetic(model: Any) -> Arithmetic | None:
    """Of a file whose ends are integers; None for a float file."""
    part = graph(model)
    kinds = {int(part.tensors[int(i)].type) for i in (*part.inputs, *part.outputs)}
    from ai_edge_litert.schema_py_generated import TensorType

    if kinds == {TensorType.FLOAT32}:
        return None
    if kinds == {TensorType.INT8}:
        return "int8"
    if kinds == {TensorType.INT16}:
        return "int16x8"
    if kinds == {TensorType.INT8, TensorType.INT16}:
        return "mixed"
    raise ExportError("inputs and outputs must all be float32, int8 or int16; convert the network to one of them")


def _reading_shape(about: Description, points: int) -> list[int]:
    samples = about.input.samples
    if samples is None or samples == 1:
        return [1, points]
    if about.input.order not in (None, TIME_FIRST, POINTS_FIRST):
        raise ExportError(f"input.order = {about.input.order!r} is unknown")
    return [1, points, samples] if about.input.order == POINTS_FIRST else [1, samples, points]


def _state_shape(state: Any) -> list[int]:
    if state.shape is None:
        raise ExportError(f"network.states: state {state.name} of a PyTorch module needs its shape, such as [1, 16]")
    return list(state.shape)


def _first_inputs(onnx: Path) -> dict[str, Array]:
    """Random inputs in 0..1 for matching names of values."""
    from tinyloc.export.network.onnx_file import input_shapes

    chance = np.random.default_rng(0)
    return {name: chance.random(shape).astype(np.float32) for name, shape in input_shapes(onnx).items()}


def _compare_with_torch(module: "nn.Module", model: Any, names: StepNames, about: Description) -> None:
    """The float file against PyTorch on random inputs, before its ends are changed."""
    import torch

    from tinyloc.export.network.torch_module import Plain
    from tinyloc.export.quantise.file_runner import FileRunner

    runner, plain = FileRunner(dump(model)), Plain(module).eval()
    chance = np.random.default_rng(1)
    for _ in range(8):
        inputs = {name: chance.random(shape).astype(np.float32) for name, shape in runner.inputs.items()}
        with torch.no_grad():
            expected = plain(*(torch.from_numpy(inputs[name]) for name in names.inputs))
        (values,) = runner.along({name: rows[None] for name, rows in inputs.items()})
        for name, tensor in zip(names.outputs, expected, strict=True):
            real = tensor.numpy()
            error = float(np.abs(values[name].ravel() - real.ravel()).max()) / (float(real.std()) or 1.0)
            if not error <= 10 * FLOAT_BOUND:
                raise ExportError(
                    f"{name} of the converted network differs from PyTorch's by {error:.2g} of its deviation: does the "
                    "network draw random numbers, or behave otherwise in eval()?"
                )


def _quantised(
    model: Any, content: bytes, names: StepNames, calibration: list[Array], about: Description, tell: Tell
) -> Exported:
    """The integer forms, compared with the float file along the calibration: the test set decides nothing."""
    tell(f"ranges of {sum(map(len, calibration)):,} calibration samples")
    limited = _first(calibration, PARITY_SAMPLES)
    exported = integer_files(
        model, content, names, calibration, limited, about.export.arithmetics, about.crf is not None,
        about.export.widths, own=True,
    )  # fmt: skip
    tell(parity.stage_table(exported.stages))
    default = about.export.default or about.export.arithmetics[0]
    for stage in exported.stages:
        for arithmetic, bound in INTEGER_BOUND.items():
            if stage.stage == arithmetic and not stage.error <= bound:
                found = f"{arithmetic} differs by {stage.error:.2f} of the scores' deviation (bound {bound:g})"
                if arithmetic == default:
                    raise ExportError(f'{found}; take "int16x8" or "mixed" under [export]; widths are chosen by layer')
                tell(f"note: {found}; it is in the bundle but is not the default")
    return exported


def _first(streams: list[Array], most: int) -> list[Array]:
    found: list[Array] = []
    for rows in streams:
        if most <= 0:
            break
        found.append(rows[:most])
        most -= len(found[-1])
    return found


def _report_unseen(
    exported: Exported, calibration: list[Array], test: list[Array], samples: NetworkSamples,
    preprocessing: Preprocessing, tell: Tell,
) -> None:  # fmt: skip
    """Count test samples that leave what the calibration showed: clipped readings, and values beyond their range."""
    readings = np.concatenate([r.rssi_dbm for r in samples.test])
    low = int((readings < preprocessing.floor_dbm).any(axis=1).sum())
    high = int((readings > preprocessing.ceiling_dbm).any(axis=1).sum())
    if low or high:
        tell(
            f"{low:,} of {len(readings):,} test samples hold readings below floor_dbm = {preprocessing.floor_dbm:g}, "
            f"{high:,} above ceiling_dbm = {preprocessing.ceiling_dbm:g}: they are clipped"
        )
    if not exported.ranges:
        return
    outside, worst = samples_outside(exported.float_file, exported.names, exported.ranges, test)
    if outside:
        tell(
            f"{outside:,} of {len(readings):,} test samples leave the calibrated range, most often at {worst}: their "
            "values saturate; calibrate with samples like them"
        )


def samples_outside(float_model: bytes, names: StepNames, ranges: Any, streams: Sequence[Array]) -> tuple[int, str]:
    """How many samples drive a value beyond its measured range, and which value does so most often."""
    runner = StepRunner(float_model, names, keep=True)
    count = 0
    often: dict[str, int] = {}
    for rows in streams:
        runner.reset()
        for row in rows:
            runner.step(row)
            beyond = [
                name for name, value in runner.values().items() if name != OUTPUT and _beyond(value, ranges[name])
            ]
            count += bool(beyond)
            for name in beyond:
                often[name] = often.get(name, 0) + 1
    return count, max(often, key=lambda name: often[name], default="")


def _beyond(value: Array, bounds: tuple[float, float]) -> bool:
    slack = BEYOND_SHARE * (bounds[1] - bounds[0])
    return bool(value.min() < bounds[0] - slack or value.max() > bounds[1] + slack)


def _test_set(
    content: bytes, names: StepNames, samples: NetworkSamples, test: list[Array], about: Description
) -> tuple[TestSet, dict[str, float]]:
    """With the scores of the file before quantisation, and their figures."""
    scores = parity.tflite_scores(content, names, test)
    if not np.isfinite(scores).all():
        raise ExportError("the network gives scores that are no finite numbers on the test samples")
    edges = np.cumsum([len(recording) for recording in samples.test])[:-1]
    crf = None if about.crf is None else fixed_crf(about.crf)
    decisions = decide_scores(crf, np.split(scores, edges), about.window)
    test_set = as_test_set(samples.test, scores, decisions, carries_state=bool(names.states))
    if not (test_set.label >= 0).any():
        return test_set, {}
    outputs = _outputs(about, samples)
    return test_set, score_test_set(test_set, decisions, about.window, outputs).as_dict()


def _outputs(about: Description, samples: NetworkSamples) -> Outputs:
    return Outputs(
        classes=list(samples.classes),
        positions_m=about.output.positions_m or samples.positions_m,
        floors=about.output.floors or samples.floors,
        position=about.output.position,
        unknown=about.output.unknown,
    )


def _bundle(
    given: Given, about: Description, samples: NetworkSamples, preprocessing: Preprocessing, made: Step,
    exported: Exported, place: Path, figures: dict[str, float], parameters: int,
) -> Bundle:  # fmt: skip
    window = about.window
    if samples.rate_hz is not None and "window" not in about.model_fields_set:
        window = window.model_copy(update={"rate_hz": samples.rate_hz})
    site = about.site if about.site.rooms or about.site.floors else samples.site
    return Bundle(
        name=about.name,
        architecture=about.architecture or _plain(given.name),
        preprocessing=preprocessing,
        window=window,
        outputs=_outputs(about, samples),
        site=site,
        crf=about.crf,
        models=[
            model_file(
                place,
                kind,
                content,
                exported.names,
                widths_of(kind, about.export.widths) if kind != "mixed" or about.export.widths else {},
            )
            for kind, content in exported.files.items()
        ],
        default_arithmetic=_default(about, exported),
        build=about.build,
        budget=about.budget,
        data=Source(
            name=about.name,
            title=about.title or samples.title or about.name,
            licence=(samples.licence if about.licence == "not stated" else about.licence) or "not stated",
            citation=about.citation or samples.citation,
        ),
        provenance=Provenance(versions=tool_versions(), steps=[step("export")]),
        test_sha256=sha256(place / TEST_SET),
        parameters=parameters,
        parameters_published=parameters,
        float_metrics=figures,
        settings={
            "network": {"samples": made.samples, "notes": made.notes},
            "parity": [stage.as_dict() for stage in exported.stages],
        },
    )


def _default(about: Description, exported: Exported) -> Arithmetic:
    wanted = about.export.default
    return wanted if wanted is not None and wanted in exported.files else next(iter(exported.files))


def _plain(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).strip(".-_")
    return kept or "network"


def _parameters(given: Given, model: Any) -> int:
    """Trainable numbers of a module; of a file, those of its weights and biases."""
    if given.module is not None:
        return sum(p.numel() for p in given.module.parameters() if p.requires_grad)
    part, count = graph(model), 0
    for operator in part.operators:
        for index in list(operator.inputs)[1:3]:
            values = constant(model, part.tensors[int(index)]) if int(index) >= 0 else None
            if (
                values is not None
                and values.size > 1
                and (values.dtype.kind == "f" or len(scales(part.tensors[int(index)])))
            ):
                count += values.size
    return count
