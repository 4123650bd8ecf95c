"""Evaluations as a Markdown table, for a pull request or a job summary."""

from collections.abc import Iterable, Sequence

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.baseline import Comparison
from tinyloc.device.report.numbers import grouped, measured, microjoules, milliseconds, score, size
from tinyloc.device.report.summary import latency_ms
from tinyloc.device.report.verdict import agreement, chance_sentence, headline, limit_name, samples_note
from tinyloc.escape import markdown_text

COLUMNS = ("model", "board", "arithmetic", "back end", "macro F1", "accuracy", "flash", "RAM", "cycles", "time",
           "energy", "verdict")  # fmt: skip
RIGHT = COLUMNS[4:11]


def markdown(evaluations: Sequence[Evaluation], baselines: Sequence[Comparison] = ()) -> str:
    """One row an evaluation, then what is wrong, then every budget line."""
    lines = ["### tinyloc", "", _row(COLUMNS), _row("---:" if name in RIGHT else "---" for name in COLUMNS)]
    lines += [_row(_cells(evaluation)) for evaluation in evaluations]
    for evaluation in evaluations:
        if note := samples_note(evaluation):
            lines += ["", f"**{_title(evaluation)}:** {note}"]
    wrong = [evaluation for evaluation in evaluations if not evaluation.passed]
    for evaluation in wrong:
        lines += ["", f"**{_title(evaluation)}: {headline(evaluation)}.** {_why(evaluation)}"]
    lines += ["", "<details><summary>Budgets</summary>", "", _row(("", "limit", "found", "allowed", "set by", ""))]
    lines.append(_row(("---", "---", "---:", "---:", "---", "---")))
    for evaluation in evaluations:
        for line in evaluation.budget:
            used, limit = measured(line.used, line.unit), measured(line.limit, line.unit)
            mark = "ok" if line.ok else "**missed**" if line.at_least else "**over**"
            name, source = markdown_text(limit_name(evaluation, line)), markdown_text(line.source)
            lines.append(_row((_title(evaluation), name, used, limit, source, mark)))
    return "\n".join([*lines, "", "</details>", *_beside(baselines), ""])


def _beside(baselines: Sequence[Comparison]) -> list[str]:
    """What changed since the baseline; what became worse is bold."""
    lines = []
    for found in baselines:
        lines += ["", f"#### {_title(found.new)} beside the baseline {_title(found.old)}", ""]
        lines += [
            _row(("", "then", "now", "change", "allowed", "")),
            _row(("---", "---:", "---:", "---:", "---:", "---")),
        ]
        for delta in found.deltas:
            state = "🔴 **worse**" if delta.regressed else delta.state()
            cells = (delta.quantity.name, delta.text(delta.old), delta.text(delta.new), delta.signed(),
                     delta.text(delta.allowed), state)  # fmt: skip
            lines.append(_row(cells))
        lines += [
            "",
            *([found.pairs.sentence()] if found.pairs else []),
            *(markdown_text(note) for note in found.notes),
        ]
    return lines


def _why(evaluation: Evaluation) -> str:
    chance = markdown_text(chance_sentence(evaluation)) if evaluation.no_better_than_chance else ""
    return f"{agreement(evaluation)} {chance}".strip()


def _title(evaluation: Evaluation) -> str:
    return markdown_text(f"{evaluation.name}, {evaluation.arithmetic}, {evaluation.board}")


def _cells(evaluation: Evaluation) -> list[str]:
    latency, cycles, energy = latency_ms(evaluation), evaluation.cycles, evaluation.energy
    return [
        *map(markdown_text, (evaluation.name, evaluation.board, evaluation.arithmetic, evaluation.backend)),
        score(evaluation.device.macro_f1),
        score(evaluation.device.accuracy),
        size(evaluation.flash.total),
        size(evaluation.ram.total),
        "–" if cycles is None else grouped(cycles.median),
        "–" if latency is None else milliseconds(latency),
        "–" if energy is None else microjoules(energy.microjoule),
        headline(evaluation) if evaluation.passed else f"**{headline(evaluation)}**",
    ]


def _row(cells: Iterable[str]) -> str:
    """A line of a table; text of users in its cells is escaped already."""
    return f"| {' | '.join(cells)} |"
