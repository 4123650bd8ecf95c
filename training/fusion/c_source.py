"""C constants of a student, its filter settings and anchors, for firmware/fusion."""

from collections.abc import Iterable

import numpy as np

from tinyloc.training.fusion.quantised import IntegerStudent, Layer
from tinyloc.training.fusion.settings import FilterSettings
from tinyloc.training.fusion.trilaterate import Floats

RULES = {
    "fixed": "TL_RULE_FIXED",
    "gated": "TL_RULE_GATED",
    "adaptive": "TL_RULE_ADAPTIVE",
    "variance": "TL_RULE_VARIANCE",
}


def fusion_source(student: IntegerStudent | None, settings: FilterSettings, anchors: Floats) -> str:
    """A C file that defines tl_fusion_student (if any), tl_fusion_settings and tl_fusion_anchors."""
    parts = ['#include "fusion/fusion.h"\n']
    if student is not None:
        parts += [_layer(index, layer) for index, layer in enumerate(student.layers)]
        rows = ",\n".join(
            f"    {{weights_{i}, bias_{i}, scale_{i}, {_real(1.0 / layer.next_scale if layer.next_scale else 0.0)}, "
            f"{layer.weights.shape[1]}, {layer.weights.shape[0]}}}"
            for i, layer in enumerate(student.layers)
        )
        x, y = student.frame.centre_m
        half = 1.0 / student.frame.half_m if student.frame.half_m else 0.0
        parts.append(f"static const tl_student_layer_t layers[] = {{\n{rows},\n}};\n")
        parts.append(
            f"const tl_student_t tl_fusion_student = "
            f"{{layers, {len(student.layers)}, {{{_real(x)}, {_real(y)}}}, {_real(half)}}};\n"
        )
    fields = settings.model_dump()
    named = ", ".join(f".{key} = {_field(key, value)}" for key, value in fields.items())
    parts.append(f"const tl_fusion_settings_t tl_fusion_settings = {{{named}}};\n")
    points = ", ".join(f"{{{_real(px)}, {_real(py)}}}" for px, py in anchors)
    parts.append(f"const uint8_t tl_fusion_anchor_count = {len(anchors)};\n")
    parts.append(f"const tl_point_t tl_fusion_anchors[{len(anchors)}] = {{{points}}};\n")
    return "\n".join(parts)


def _layer(index: int, layer: Layer) -> str:
    return (
        f"static const int8_t weights_{index}[] = {_array(layer.weights.ravel().tolist())};\n"
        f"static const int32_t bias_{index}[] = {_array(layer.bias.tolist())};\n"
        f"static const float scale_{index}[] = {_array([_real(float(v)) for v in layer.scale])};\n"
    )


def _array(values: Iterable[int | str]) -> str:
    texts = [str(value) for value in values]
    lines = [", ".join(texts[i : i + 16]) for i in range(0, len(texts), 16)]
    return "{\n    " + ",\n    ".join(lines) + ",\n}"


def _real(value: float) -> str:
    """A single-precision literal that reads back as the nearest float."""
    text = np.format_float_scientific(np.float32(value), unique=True, trim="-")
    return f"{text}f" if "e" in text else f"{text}e0f"


def _field(key: str, value: object) -> str:
    if key == "rule":
        return RULES[str(value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _real(float(str(value)))
