"""The figures of an evaluation as flat JSON, for machines (`--json FILE`)."""

from typing import Any

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.verdict import agreement_only, headline


def latency_ms(evaluation: Evaluation) -> float | None:
    """Median time of a sample in ms at the board's clock, with its wait states; None when no cycles were counted."""
    cycles = evaluation.slower_cycles
    return None if cycles is None else 1e3 * cycles.median / evaluation.clock_hz


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """Key figures by name; keys stay when a figure was not measured, with null."""
    cycles, instructions, energy = evaluation.cycles, evaluation.instructions, evaluation.energy
    return {
        "name": evaluation.name,
        "model_id": evaluation.model_id,
        "data": evaluation.data,
        "architecture": evaluation.architecture,
        "parameters": evaluation.parameters,
        "arithmetic": evaluation.arithmetic,
        "backend": evaluation.backend,
        "board": evaluation.board,
        "transport": evaluation.transport,
        "passed": evaluation.passed,
        "within_budget": evaluation.within_budget,
        "samples": evaluation.samples,
        "samples_from": evaluation.samples_from,
        "scores_are": agreement_only(evaluation) if evaluation.golden else "quality on the test set",
        "decisions": evaluation.decisions,
        "unseen_class_samples": evaluation.unseen_class_samples,
        "verdict": headline(evaluation),
        "chance": evaluation.chance.model_dump() | {"better": evaluation.chance.better} if evaluation.chance else None,
        "mismatches": evaluation.mismatches,
        "litert_differences": evaluation.litert.model_dump() if evaluation.litert else None,
        "macro_f1": evaluation.device.macro_f1,
        "floor_hit": evaluation.device.floor_hit,
        "building_hit": evaluation.device.building_hit,
        "evaal_m": evaluation.device.evaal_m,
        "coverage": evaluation.coverage.model_dump(mode="json") if evaluation.coverage else None,
        "intervals": evaluation.device.intervals,
        "comparison": evaluation.comparison.model_dump(mode="json") if evaluation.comparison else None,
        "accuracy": evaluation.device.accuracy,
        "errors_m": evaluation.device.errors_m,
        "host_macro_f1": evaluation.host_int.macro_f1,
        "host_accuracy": evaluation.host_int.accuracy,
        "float_macro_f1": evaluation.float_model.macro_f1,
        "float_accuracy": evaluation.float_model.accuracy,
        "flash_bytes": evaluation.flash.total,
        "ram_bytes": evaluation.ram.total,
        "flash": evaluation.flash.model_dump(),
        "ram": evaluation.ram.model_dump(),
        "cycles_kind": evaluation.cycles_kind,
        "cycles_median": cycles.median if cycles else None,
        "cycles_p90": cycles.p90 if cycles else None,
        "cycles_max": cycles.max if cycles else None,
        "waited": evaluation.waited.model_dump(mode="json") if evaluation.waited else None,
        "instructions_median": instructions.median if instructions else None,
        "latency_ms": latency_ms(evaluation),
        "energy_uj": energy.microjoule if energy else None,
        "study_energy_uj": energy.study_microjoule if energy else None,
        "budget": [{**line.model_dump(), "ok": line.ok} for line in evaluation.budget],
        "retries": evaluation.retries,
        "seconds": evaluation.seconds,
    }
