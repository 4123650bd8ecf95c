"""The verdict of an evaluation, in one word and one sentence."""

from tinyloc.device.evaluation.evaluation_record import BudgetLine, Evaluation
from tinyloc.device.report.numbers import grouped, measured, score, size


def headline(evaluation: Evaluation) -> str:
    """Give "Passed", or the worst problem."""
    if evaluation.mismatches:
        return "Answers differ"
    return "Passed" if evaluation.within_budget else "Over budget"


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
        return f"latency (largest of {grouped(evaluation.measured_samples)} {evaluation.cycles_kind})"
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
    if evaluation.within_budget:
        return "The image fits its budget."
    over = [
        f"{limit_name(evaluation, line)} {measured(line.used, line.unit)} of {measured(line.limit, line.unit)}"
        for line in evaluation.budget
        if not line.ok
    ]
    return f"Over budget: {'; '.join(over)}."


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
