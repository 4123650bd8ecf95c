"""TensorFlow's converter on a float .tflite: its calibrator and MLIR quantiser. A program: FLOAT CALIBRATION OUT."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def main(source: str, calibration: str, out: str) -> None:
    """Write the int8 file: int8 inputs and outputs, as `tf.lite.TFLiteConverter` makes it with full integer types."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    with np.load(calibration) as arrays:
        columns = [arrays[name].astype(np.float32) for name in arrays.files]

    def rows() -> Iterator[list[np.ndarray]]:
        for number in range(len(columns[0])):
            yield [column[number] for column in columns]

    calibrated = Calibrator(Path(source).read_bytes()).calibrate(rows)
    made = mlir_quantize(calibrated, fully_quantize=True, input_data_type=tf.int8, output_data_type=tf.int8)
    Path(out).write_bytes(made)


if __name__ == "__main__":
    main(*sys.argv[1:4])
