"""What the HTML pages share: where templates lie, how numbers are written, that everything is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinyloc.device.report import numbers
from tinyloc.device.report.verdict import limit_name

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> Environment:
    """Templates of the reports: a missing value is an error, never a blank."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "grouped": numbers.grouped,
        "size": numbers.size,
        "score": numbers.score,
        "metres": numbers.metres,
        "milliseconds": numbers.milliseconds,
        "microjoules": numbers.microjoules,
        "operators_in_short": numbers.operators_in_short,
    }
    made.globals["share"] = numbers.share
    made.globals["measured"] = numbers.measured
    made.globals["limit_name"] = limit_name
    return made
