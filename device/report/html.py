"""One self-contained HTML page from an evaluation: no scripts, no network, everything escaped."""

import json
from collections.abc import Mapping
from typing import Any

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.image.library_record import LibrarySizes
from tinyloc.device.report import battery
from tinyloc.device.report.baseline import Comparison
from tinyloc.device.report.baselines import (
    BASELINE_COLUMNS,
    FIGURE_NAMES,
    coverage_lines,
    figure_text,
    interval_lines,
    standing,
)
from tinyloc.device.report.confusion import confusion_figure
from tinyloc.device.report.flame import flame_figure
from tinyloc.device.report.memory_plan import plan_figure
from tinyloc.device.report.page import environment
from tinyloc.device.report.position_errors import error_figure
from tinyloc.device.report.room_map import pictures_of, room_figure
from tinyloc.device.report.summary import latency_ms
from tinyloc.device.report.timeline import timeline_figure
from tinyloc.device.report.verdict import agreement, chance_sentence, fitting, headline, quality, stack_note

FUNCTIONS_SHOWN = 12
SENTENCES = (agreement, fitting, quality, chance_sentence)
"""Below the headline."""

RAM_PARTS = {
    "arena": "arena (memory plan)",
    "state": "state between samples",
    "stack": "stack (measured)",
    "localiser": "localiser's buffers (heard access points, held readings, ring of scores)",
    "static": "other static data (link, application)",
}
FLASH_PARTS = {
    "weights": "weights and tables",
    "kernels": "kernels (generated code)",
    "localise": "preprocessing and Viterbi",
    "link": "link",
    "app": "application and port",
    "library": "compiler library",
    "other": "vectors and padding",
}


def flat_settings(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Settings as lines: {"a": {"b": [1]}} -> [("a.b", "[1]")]. What is not set is left out."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            lines += flat_settings(value, f"{above}{name}.")
        elif value is not None:
            lines.append((f"{above}{name}", value if isinstance(value, str) else json.dumps(value, default=str)))
    return lines


def parity_stages(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parity table that the export left in the settings; [] when there is none, or when it is none."""
    stages = settings.get("parity")
    if not isinstance(stages, list):
        return []
    return [dict(stage) for stage in stages if isinstance(stage, Mapping) and _is_parity(stage)]


def _is_parity(stage: Mapping[str, Any]) -> bool:
    """Whether a line has its two names and its two figures."""
    names, figures = ("stage", "against"), ("error", "agreement")
    return all(isinstance(stage.get(name), str) for name in names) and all(
        isinstance(stage.get(name), int | float) and not isinstance(stage.get(name), bool) for name in figures
    )


def _parts(counts: dict[str, int], names: dict[str, str]) -> list[tuple[str, int]]:
    """Byte counts of what has a name, largest first, without empty ones."""
    parts = [(name, counts[key]) for key, name in names.items() if counts[key]]
    return sorted(parts, key=lambda part: -part[1])


def render_html(
    evaluation: Evaluation, library: Mapping[str, LibrarySizes] | None = None, baseline: Comparison | None = None
) -> str:
    """The report as one HTML document. Figures that were not measured are left out, and the page says so.

    Args:
        evaluation: What was measured.
        library: Board -> sizes of the model as a library, where `tinyloc library` measured them.
        baseline: The comparison with an earlier evaluation.
    """
    functions = sorted(evaluation.functions, key=lambda cost: -cost.cycles)
    lives = battery.battery_life(evaluation.energy)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            e=evaluation,
            headline=headline(evaluation),
            sentences=[found for say in SENTENCES if (found := say(evaluation))],
            intervals=[*interval_lines(evaluation), *coverage_lines(evaluation)],
            standing=standing(evaluation.comparison) if evaluation.comparison else [],
            baseline_columns=BASELINE_COLUMNS,
            figure_names=FIGURE_NAMES,
            figure_text=figure_text,
            latency=latency_ms(evaluation),
            ram_parts=_parts(evaluation.ram.model_dump(), RAM_PARTS),
            flash_parts=_parts(evaluation.flash.model_dump(), FLASH_PARTS),
            stack_note=stack_note(evaluation),
            plan=plan_figure(evaluation.plan, len(evaluation.plan_steps)),
            confusion=confusion_figure(evaluation.classes, evaluation.confusion),
            errors=error_figure(
                evaluation.positions,
                evaluation.site.rooms,
                evaluation.site.access_point_m or (),
                evaluation.device.errors_m,
                pictures_of(evaluation.site),
                evaluation.position_floors,
                [floor.name for floor in evaluation.site.floors],
            ),
            rooms=room_figure(evaluation.site, evaluation.classes, evaluation.confusion),
            timeline=timeline_figure(evaluation),
            flame=flame_figure(evaluation.stacks),
            functions=functions[:FUNCTIONS_SHOWN],
            functions_left=functions[FUNCTIONS_SHOWN:],
            cycles_total=sum(cost.cycles for cost in functions),
            layer_cycles=sum(layer.cycles or 0 for layer in evaluation.layers),
            parity=parity_stages(evaluation.settings),
            settings=flat_settings({k: v for k, v in evaluation.settings.items() if k != "parity"}),
            cells=battery.CELLS,
            lives=lives,
            lifetime=battery.lifetime,
            outlived=battery.OUTLIVED if battery.outlived(lives) else "",
            left_out=battery.LEFT_OUT,
            library=library or {},
            baseline=baseline,
        )
    )
