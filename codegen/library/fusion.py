"""UWB ranges and dead reckoning as a library: firmware/fusion and its student under a model's name."""

import hashlib
import re

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.compile import prepare_graph
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.codegen.fusion import fusion_content, student_graph
from tinyloc.codegen.library.header import body_of, split
from tinyloc.codegen.library.model import Around, LibraryModel, from_graph
from tinyloc.paths import FIRMWARE_DIR
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.students.c_source import fusion_source
from tinyloc.training.fusion.students.quantised import IntegerStudent

_HEADERS = ("time.h", "dead_reckoning.h", "ekf.h", "trilaterate.h", "student.h", "fusion.h")
_INSIDE = ("real.h", "data.h")
_SOURCES = ("dead_reckoning.c", "ekf.c", "trilaterate.c", "student.c", "fusion.c", "real.c")
NAMES = {
    "tl_fusion_t": "t",
    "tl_fusion_imu": "imu",
    "tl_fusion_ranges": "ranges",
    "tl_fusion_start": "init",
    "tl_context_t": "network_t",
    "tl_init": "network_init",
    "tl_run": "network_step",
    "tl_model_run": "student_run",
}
"""What reads better short, and what the student's network is called beside the filter."""
_API_HEADER = """\
#define TL_ANCHORS {anchors}

/* Start a walk: Weinberg's constant of the person, and the heading in rad, counter-clockwise from +x. Where it does not
 * give TL_WALK_OK the filter was not started. */
tl_walk_status_t tl_fusion_start(tl_fusion_t *fusion, float k, float heading);"""
_API = """\
#include "model.h"

tl_walk_status_t tl_fusion_start(tl_fusion_t *fusion, float k, float heading)
{
    return tl_fusion_init(fusion, &tl_fusion_settings, &tl_fusion_student, tl_fusion_anchors, tl_fusion_anchor_count, k,
                          heading);
}
"""


def from_fusion(
    student: IntegerStudent, settings: FilterSettings, anchors: npt.NDArray[np.float64], name: str, title: str
) -> LibraryModel:
    """The filter with these settings and anchors, and its student."""
    graph = student_graph(student)
    check_graph(graph, "the fusion's student")
    source = fusion_source(student, settings, anchors)
    content = hashlib.sha256(fusion_content(student, source)).hexdigest()
    folder = FIRMWARE_DIR / "fusion"
    headers = [body_of((folder / each).read_text(encoding="utf-8")) for each in _HEADERS]
    public, inside = split([*headers, _API_HEADER.format(anchors=len(anchors))])
    api = re.compile(r"\btl_fusion_(?:start|imu|ranges)\(")
    sources = {f"{name}_{each}": (folder / each).read_text(encoding="utf-8") for each in _SOURCES}
    sources |= {f"{name}_data.c": source, f"{name}_fusion_start.c": _API}
    return from_graph(
        prepare_graph(graph, content),
        name,
        title,
        kind="fusion",
        around=Around(
            public=[*public, *(part for part in inside if api.search(part))],
            inside=[
                *(part for part in inside if not api.search(part)),
                *(body_of((folder / each).read_text(encoding="utf-8")) for each in _INSIDE),
            ],
            sources=sources,
            names=NAMES,
            includes=["<stdbool.h>"],
        ),
    )
