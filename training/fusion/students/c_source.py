"""C constants of a fusion image: the student's frame, the filter's settings, the anchors. firmware/fusion/data.h."""

import numpy as np

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.filters.trilaterate import ANCHORS_MAX, Floats
from tinyloc.training.fusion.students.quantised import IntegerStudent

RULES = {
    "fixed": "TL_RULE_FIXED",
    "gated": "TL_RULE_GATED",
    "adaptive": "TL_RULE_ADAPTIVE",
    "variance": "TL_RULE_VARIANCE",
    "guarded": "TL_RULE_GUARDED",
    "robust": "TL_RULE_ROBUST",
}


def fusion_source(student: IntegerStudent, settings: FilterSettings, anchors: Floats) -> str:
    """Write a C file that defines what firmware/fusion/data.h declares.

    Raises:
        FusionError: the anchors (A, 2) are not 3 to 32 finite points.
    """
    if not 3 <= len(anchors) <= ANCHORS_MAX:
        raise FusionError(f"{len(anchors)} anchors; the fusion takes 3 to {ANCHORS_MAX}. Add some or leave some out")
    finite = np.isfinite(anchors).all(axis=1)
    if not finite.all():
        raise FusionError(f"anchor {int(finite.argmin())} has a coordinate that is no number")
    x, y = student.frame.centre_m
    half = 1.0 / student.frame.half_m if student.frame.half_m else 0.0
    named = ", ".join(f".{key} = {_field(key, value)}" for key, value in settings.model_dump().items())
    points = ", ".join(f"{{{_real(px)}, {_real(py)}}}" for px, py in anchors)
    return f"""\
#include "fusion/data.h"

const tl_student_t tl_fusion_student = {{{{{_real(x)}, {_real(y)}}}, {_real(half)}}};
const tl_fusion_settings_t tl_fusion_settings = {{{named}}};
TL_STATIC_ASSERT(usable_ranges_are_bits_of_a_word, {len(anchors)} <= TL_ANCHORS_MAX);
const uint8_t tl_fusion_anchor_count = {len(anchors)};
const tl_point_t tl_fusion_anchors[{len(anchors)}] = {{{points}}};
"""


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
