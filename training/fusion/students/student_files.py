"""Integer students as files."""

import json
from pathlib import Path

import numpy as np

from tinyloc.files import write_whole
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.students.quantised import IntegerStudent, Layer
from tinyloc.training.fusion.students.scaling import Frame


def save_student(student: IntegerStudent, path: Path) -> None:
    """Write a student as JSON, whole or not at all."""
    layers = [
        {
            "weights": layer.weights.tolist(),
            "bias": layer.bias.tolist(),
            "weight_scale": [float(v) for v in layer.weight_scale],
            "input_scale": layer.input_scale,
            "output_scale": layer.output_scale,
            "relu": layer.relu,
        }
        for layer in student.layers
    ]
    content = {"centre_m": student.frame.centre_m, "half_m": student.frame.half_m, "layers": layers}
    write_whole(path, json.dumps(content) + "\n")


def load_student(path: Path) -> IntegerStudent:
    """Read a student. Raises FusionError when there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        layers = tuple(
            Layer(
                weights=np.array(row["weights"], dtype=np.int8),
                bias=np.array(row["bias"], dtype=np.int32),
                weight_scale=np.array(row["weight_scale"], dtype=np.float32),
                input_scale=float(row["input_scale"]),
                output_scale=float(row["output_scale"]),
                relu=bool(row["relu"]),
            )
            for row in content["layers"]
        )
        x, y = content["centre_m"]
        return IntegerStudent(layers, Frame((float(x), float(y)), float(content["half_m"])))
    except FileNotFoundError:
        raise FusionError(f"{path}: no student here; make it with `tinyloc fusion run`") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FusionError(f"{path}: not a student ({error!r}); make it again with `tinyloc fusion run`") from None
