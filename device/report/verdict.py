"""What an evaluation means, in one word and one sentence."""

from tinyloc.device.evaluation.evaluation_record import BudgetLine, Evaluation
from tinyloc.device.report.numbers import grouped, measured, score, size


def headline(evaluation: Evaluation) -> str:
    """ "Passed", or what is wrong, worst first."""
    if evaluation.mismatches:
        return "Answers differ"
    return "Passed" if evaluation.within_budget else "Over budget"


def agreement(evaluation: Evaluation) -> str:
    """How the device's answers compare with the host's integer result."""
    samples = f"{grouped(evaluation.samples)} samples"
    if evaluation.mismatches:
        return f"{grouped(evaluation.mismatches)} of {samples} were answered otherwise than by the host's integers."
    return f"All {samples} were answered exactly as by the host's integers.{_beside_litert(evaluation)}"


def _beside_litert(evaluation: Evaluation) -> str:
    """Where those are not LiteRT's: a sentence, with a space before it."""
    found = evaluation.litert
    if found is None or not found.samples:
        return ""
    return (
        f" LiteRT's scores differ in {grouped(found.samples)} samples, by {grouped(found.largest)} at most, and "
        f"{grouped(found.decisions)} decisions."
    )


def limit_name(evaluation: Evaluation, line: BudgetLine) -> str:
    """A budget line's name as one reads it. No latency is known to be the worst: it is the largest that was seen."""
    if line.name == "latency":
        return f"latency (largest of {grouped(evaluation.measured_samples)} {evaluation.cycles_kind})"
    return {"ram": "RAM"}.get(line.name, line.name)


def stack_note(evaluation: Evaluation) -> str:
    """Which of the stack's sizes is counted as RAM."""
    told = f"counted is the stack's measured high-water mark, {size(evaluation.ram.stack)}"
    bound, reserved = evaluation.ram.stack_bound, evaluation.ram.stack_reserved
    if bound is not None:
        told += f"; no chain of calls takes more than {size(bound)}"
    return told if reserved is None else f"{told}; the image reserves {size(reserved)} for it"


def fitting(evaluation: Evaluation) -> str:
    """Whether the budget is kept, naming each limit that is broken."""
    if not evaluation.budget:
        return "No budget was set."
    if evaluation.within_budget:
        return "It fits its budget."
    over = [
        f"{limit_name(evaluation, line)} {measured(line.used, line.unit)} of {measured(line.limit, line.unit)}"
        for line in evaluation.budget
        if not line.ok
    ]
    return f"Over budget: {'; '.join(over)}."


def quantisation_cost(evaluation: Evaluation) -> str:
    """What the integers cost, against the float model, in percentage points."""
    f1 = 100 * (evaluation.device.macro_f1 - evaluation.float_model.macro_f1)
    accuracy = 100 * (evaluation.device.accuracy - evaluation.float_model.accuracy)
    return (
        f"Macro F1 {score(evaluation.device.macro_f1)} and accuracy {score(evaluation.device.accuracy)} on the device, "
        f"{f1:+.1f} and {accuracy:+.1f} points against float."
    )
