"""The meaning of an evaluation, in one word and one sentence."""

from tinyloc.device.evaluation.evaluation_record import BudgetLine, Evaluation
from tinyloc.device.report.numbers import grouped, measured, score, size


def headline(evaluation: Evaluation) -> str:
    """ "Passed", or what is wrong, worst first."""
    if evaluation.mismatches:
        return "Answers differ"
    return "Passed" if evaluation.within_budget else "Over budget"


def agreement(evaluation: Evaluation) -> str:
    """Compare the device's answers with the host's integers, in a sentence."""
    samples = f"{grouped(evaluation.samples)} samples"
    if evaluation.mismatches:
        return f"{grouped(evaluation.mismatches)} of {samples} differ from the host in class or scores."
    return f"All {samples} have the host's class and scores, bit for bit.{_beside_litert(evaluation)}"


def _beside_litert(evaluation: Evaluation) -> str:
    """Say where the host's integers are not LiteRT's: a sentence after a space, or nothing."""
    found = evaluation.litert
    if found is None or not found.samples:
        return ""
    return (
        f" LiteRT's scores differ in {grouped(found.samples)} samples, by {grouped(found.largest)} at most, and "
        f"{grouped(found.decisions)} decisions."
    )


def limit_name(evaluation: Evaluation, line: BudgetLine) -> str:
    """Name a line of the budget. Latency is the largest that was measured; a larger one may exist."""
    if line.name == "latency":
        return f"latency (largest of {grouped(evaluation.measured_samples)} {evaluation.cycles_kind})"
    return {"ram": "RAM"}.get(line.name, line.name)


def stack_note(evaluation: Evaluation) -> str:
    """Explain which size of the stack counts as RAM."""
    note = f"stack: measured high-water mark {size(evaluation.ram.stack)}"
    bound, reserved = evaluation.ram.stack_bound, evaluation.ram.stack_reserved
    if bound is not None:
        note += f", at most {size(bound)} by the deepest chain of calls"
    return note if reserved is None else f"{note}; the image reserves {size(reserved)}"


def fitting(evaluation: Evaluation) -> str:
    """Say whether the budget is kept, with each limit that is exceeded."""
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
    """State the loss of the integers against the float model, in percentage points."""
    f1 = 100 * (evaluation.device.macro_f1 - evaluation.float_model.macro_f1)
    accuracy = 100 * (evaluation.device.accuracy - evaluation.float_model.accuracy)
    return (
        f"Macro F1 {score(evaluation.device.macro_f1)} and accuracy {score(evaluation.device.accuracy)} on the device, "
        f"{f1:+.1f} and {accuracy:+.1f} points against float."
    )
