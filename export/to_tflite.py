"""ONNX -> TFLite with onnx2tf: a float file, and the structure of the int8 and int16x8 files.

onnx2tf runs as a program of its own: TensorFlow takes seconds and hundreds of MB to load and prints a lot. It is given
a handful of calibration samples only: TFLite's calibrator logs inputs after an operator ran, so where an operator works
in place it logs the result as the input, and ranges come out up to eight times too wide. requantise.py sets the scales.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.export.errors import ExportError

SUFFIXES = {
    "float": "_float32.tflite",
    "int8": "_full_integer_quant.tflite",
    "int16x8": "_full_integer_quant_with_int16_act.tflite",
}
CALIBRATION_SAMPLES = 16
TIMEOUT_S = 600


@dataclass(frozen=True)
class Converted:
    """Bytes of the files that onnx2tf made, tensor names and scales still its own."""

    float: bytes
    int8: bytes
    int16x8: bytes


def to_tflite(onnx: Path, inputs: dict[str, npt.NDArray[np.float32]]) -> Converted:
    """Convert. `inputs`: name -> (samples, n), recorded inputs of the step.

    Raises ExportError with onnx2tf's own words when it is missing, fails, or leaves a file out.
    """
    program = Path(sys.executable).parent / "onnx2tf"
    if not program.is_file():
        raise ExportError(f'onnx2tf is not installed beside {sys.executable}; run `pip install "tinyloc[export]"`')
    count = len(next(iter(inputs.values())))
    chosen = np.linspace(0, count - 1, min(count, CALIBRATION_SAMPLES)).astype(int)
    with tempfile.TemporaryDirectory(prefix="tinyloc-onnx2tf-") as name:
        work = Path(name)
        command = [str(program), "-i", str(onnx.resolve()), "-o", str(work / "out"), "-n"]
        command += ["-oiqt", "-iqd", "int8", "-oqd", "int8"]
        for tensor, values in inputs.items():
            np.save(work / f"{tensor}.npy", values[chosen])
            command += ["-cind", tensor, str(work / f"{tensor}.npy"), "[0.0]", "[1.0]"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # onnx2tf calls onnxsim
        environment = {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, cwd=work, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(
                f"onnx2tf did not finish within {TIMEOUT_S} s; the machine may be overloaded; run again"
            ) from error
        log = (done.stdout + done.stderr).strip().splitlines()
        files = {kind: work / "out" / f"{onnx.stem}{suffix}" for kind, suffix in SUFFIXES.items()}
        missing = [kind for kind, file in files.items() if not file.is_file()]
        if done.returncode != 0 or missing:  # it returns 0 without an int8 file when that stage failed
            tail = "\n  ".join(line for line in log if line.strip())[-1500:]
            raise ExportError(
                f"onnx2tf made no {' and no '.join(missing) or 'usable'} file of {onnx.name} "
                f"(exit code {done.returncode}); its last words:\n  {tail}"
            )
        return Converted(**{kind: file.read_bytes() for kind, file in files.items()})
