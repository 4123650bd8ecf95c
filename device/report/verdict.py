"""The verdict of an evaluation, in one word and one sentence."""

from tinyloc.device.evaluation.evaluation_record import QUALITY_LINES, BudgetLine, Evaluation
from tinyloc.device.report.numbers import grouped, measured, metres, score, size


def headline(evaluation: Evaluation) -> str:
    """Give "Passed", or the worst problem."""
    if evaluation.mismatches:
        return "Answers differ"
    if not evaluation.within_budget:
        missed = any(line.at_least or line.name in QUALITY_LINES for line in evaluation.budget if not line.ok)
        return "Requirements missed" if missed else "Over budget"
    return "Failed: no better than chance" if evaluation.no_better_than_chance else "Passed"


def chance_sentence(evaluation: Evaluation) -> str:
    """Compare the device with always naming the commonest class in a sentence; "" where that was not computed."""
    found = evaluation.chance
    if found is None:
        return ""
    what, text = ("mean error", metres) if found.metric.endswith("_m") else ("macro F1", score)
    low, high = ((f"{end:+.2f} m" if text is metres else f"{end:+.3f}") for end in (found.low, found.high))
    verb = "beats" if found.better else "does not beat"
    return (
        f"The device {verb} always naming {found.class_name!r}, the commonest class: {what} {text(found.device)} "
        f"against {text(found.commonest)} (95 % interval of the difference {low} to {high})."
    )


def agreement(evaluation: Evaluation) -> str:
    """Compare the device's answers with the host's integers in a sentence."""
    answers = f"{grouped(evaluation.samples)} answers"
    if evaluation.mismatches:
        return f"{grouped(evaluation.mismatches)} of {answers} differ from the host's integer reference."
    return f"All {answers} equal the host's integer reference.{_beside_litert(evaluation)}"


def _beside_litert(evaluation: Evaluation) -> str:
    """Compare them with LiteRT in a sentence with a space before it; "" where the reference is LiteRT."""
    found = evaluation.litert
    if found is None or not found.samples:
        return ""
    return (
        f" LiteRT's scores differ in {grouped(found.samples)} samples, by at most {grouped(found.largest)}, and its "
        f"decisions in {grouped(found.decisions)}."
    )


def limit_name(evaluation: Evaluation, line: BudgetLine) -> str:
    """Name a budget line for readers. The latency is the largest measured one, not a proven worst case."""
    if line.name == "latency":
        waited = evaluation.waited
        samples = evaluation.measured_samples if waited is None else waited.samples
        reads = "" if waited is None else ", with wait states"
        return f"latency (largest of {grouped(samples)} {evaluation.cycles_kind}{reads})"
    return {"ram": "RAM"}.get(line.name, line.name)


def stack_note(evaluation: Evaluation) -> str:
    """Say which size of the stack counts as RAM."""
    told = f"the stack counts with its measured high-water mark, {size(evaluation.ram.stack)}"
    bound, reserved = evaluation.ram.stack_bound, evaluation.ram.stack_reserved
    if bound is not None:
        told += f"; its bound over all call chains is {size(bound)}"
    return told if reserved is None else f"{told}; the image reserves {size(reserved)} for it"


def fitting(evaluation: Evaluation) -> str:
    """Say whether the image fits its budget, with each limit that it exceeds."""
    if not evaluation.budget:
        return "No budget was set."
    gated = any(line.at_least or line.name in QUALITY_LINES for line in evaluation.budget)
    if evaluation.within_budget:
        return "The image fits its budget and meets its requirements." if gated else "The image fits its budget."
    over = [
        f"{limit_name(evaluation, line)} {measured(line.used, line.unit)} "
        f"{'below' if line.at_least else 'of'} {measured(line.limit, line.unit)}"
        for line in evaluation.budget
        if not line.ok
    ]
    what = "Over budget" if headline(evaluation) != "Requirements missed" else "Requirements missed"
    return f"{what}: {'; '.join(over)}."


def samples_note(evaluation: Evaluation) -> str:
    """Say what the scores are where the samples are golden scans; "" where they are the test set."""
    if not evaluation.golden:
        return ""
    return f"Macro F1 and accuracy are {agreement_only(evaluation)}."


def agreement_only(evaluation: Evaluation) -> str:
    """Say in a clause what the scores on golden scans are."""
    return f"agreement with the float model on {grouped(evaluation.samples)} made-up scans, not quality"


def quality(evaluation: Evaluation) -> str:
    """Compare the device's quality with the float model in percentage points; on golden scans there is no quality."""
    if evaluation.golden:
        scores = f"Macro F1 {score(evaluation.device.macro_f1)} and accuracy {score(evaluation.device.accuracy)}"
        return f"{scores} are {agreement_only(evaluation)}."
    f1 = 100 * (evaluation.device.macro_f1 - evaluation.float_model.macro_f1)
    accuracy = 100 * (evaluation.device.accuracy - evaluation.float_model.accuracy)
    return (
        f"Macro F1 {score(evaluation.device.macro_f1)} and accuracy {score(evaluation.device.accuracy)} on the device, "
        f"{f1:+.1f} and {accuracy:+.1f} points against the float model."
    )
