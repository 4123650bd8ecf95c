"""ai-edge-quantizer on a float .tflite: static int8. A program of its own environment: FLOAT CALIBRATION OUT."""

import sys
from importlib import import_module

import numpy as np


def main(source: str, calibration: str, out: str) -> None:
    """Write the int8 file."""
    from ai_edge_litert.interpreter import Interpreter

    quantizer = import_module("ai_edge_quantizer.quantizer")  # of another environment: no tool here finds it
    recipe = import_module("ai_edge_quantizer.recipe")

    with np.load(calibration) as arrays:
        columns = {name: arrays[name].astype(np.float32) for name in arrays.files}
    signatures = Interpreter(model_path=source).get_signature_list()
    key, inputs = next(iter(signatures)), next(iter(signatures.values()))["inputs"]
    rows = [
        {name: column[number] for name, column in zip(inputs, columns.values(), strict=True)}
        for number in range(len(next(iter(columns.values()))))
    ]
    work = quantizer.Quantizer(source)
    work.load_quantization_recipe(recipe.static_wi8_ai8())
    work.quantize(work.calibrate({key: rows})).export_model(out)


if __name__ == "__main__":
    main(*sys.argv[1:4])
