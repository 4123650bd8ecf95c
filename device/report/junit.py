"""Evaluations as JUnit XML, which CI servers show as tests: a suite an evaluation, a case a promise it makes."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from tinyloc.device.evaluation.evaluation_record import QUALITY_LINES, Evaluation
from tinyloc.device.report.baseline import Comparison
from tinyloc.device.report.numbers import measured
from tinyloc.device.report.verdict import agreement, chance_sentence, limit_name, samples_note
from tinyloc.escape import xml_text


def junit(evaluations: Sequence[Evaluation], baselines: Sequence[Comparison] = ()) -> str:
    """The XML document. A case fails when the device's answers differ from the host's or a limit is exceeded."""
    suites = [_suite(e, list(_cases(e))) for e in evaluations]
    suites += [_suite(found.new, list(_changes(found)), " beside the baseline") for found in baselines]
    root = ET.Element("testsuites", name="tinyloc", tests=_total(suites, "tests"), failures=_total(suites, "failures"))
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _total(suites: Sequence[ET.Element], count: str) -> str:
    return str(sum(int(suite.attrib[count]) for suite in suites))


def _suite(evaluation: Evaluation, cases: Sequence[tuple[str, str, bool]], what: str = "") -> ET.Element:
    name = xml_text(f"{evaluation.name} {evaluation.arithmetic} {evaluation.backend} {evaluation.board}{what}")
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)), errors="0", skipped="0",
                       failures=str(sum(bad for _, _, bad in cases)), time=f"{evaluation.seconds:.3f}")  # fmt: skip
    for case, text, bad in ((xml_text(case), xml_text(text), bad) for case, text, bad in cases):
        element = ET.SubElement(suite, "testcase", classname=name, name=case)
        if bad:
            ET.SubElement(element, "failure", message=text)
        else:
            ET.SubElement(element, "system-out").text = text
    return suite


def _cases(evaluation: Evaluation) -> Iterator[tuple[str, str, bool]]:
    """Name, what was found, and whether that is a failure."""
    found = " ".join(filter(None, (agreement(evaluation), samples_note(evaluation))))
    yield "answers equal the host's", found, evaluation.mismatches > 0
    for line in evaluation.budget:
        found = f"{measured(line.used, line.unit)} of {measured(line.limit, line.unit)} ({line.source})"
        yield limit_name(evaluation, line), found, not line.ok
    if (told := chance_sentence(evaluation)) and not any(line.name in QUALITY_LINES for line in evaluation.budget):
        yield "better than chance", told, evaluation.no_better_than_chance


def _changes(found: Comparison) -> Iterator[tuple[str, str, bool]]:
    """A case for each figure that both evaluations have."""
    for delta in found.deltas:
        told = f"{delta.signed()}, allowed {delta.text(delta.allowed)}{', noise' if delta.noise else ''}"
        yield delta.quantity.name, f"{delta.text(delta.old)} -> {delta.text(delta.new)} ({told})", delta.regressed
