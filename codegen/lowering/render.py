"""Templates: arrays, the plan, the call sequence. Text only; nothing is decided here."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np

from tinyloc.codegen.c_text import c_comment, c_string
from tinyloc.codegen.layer_code import Constant
from tinyloc.codegen.lowering.lower import Program
from tinyloc.codegen.lowering.value_names import wrapped

VALUES_A_LINE = 24


def render(templates: Mapping[str, str], values: Mapping[str, Any], package: str = "tinyloc.codegen") -> dict[str, str]:
    """File name -> text, from file name -> name of its template in the folder `templates` of a package."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"c_comment": c_comment, "c_string": c_string}
    environment.filters |= {"wrapped": wrapped}
    return {name: environment.get_template(template).render(values) for name, template in templates.items()}


def program_values(program: Program, extra_tables: Sequence[Constant] = ()) -> dict[str, Any]:
    """What the templates of every kind of model need; `extra_tables` are arrays that model.h declares."""
    calls = program.calls
    declared = program.declarations
    text = " ".join([*declared, *calls])
    constants = program.constants
    return {
        "arena_bytes": program.storage.plan.size,
        "arena_split": program.storage.plan.split,
        "constant_bytes": sum(c.bytes for c in constants),
        "states": program.states,
        "headers": program.headers,
        "layers": program.layers,
        "values": declared,
        "memory_plan": program.memory_plan,
        "calls": calls,
        "uses_state": "state->" in text,
        "uses_arena": "arena->" in text,
        "packed": any(c.macro is not None for c in constants),
        "constants": [array_value(c) for c in constants],
        "tables": [array_value(c) for c in (*constants, *extra_tables)],
    }


def array_value(constant: Constant) -> dict[str, Any]:
    """An array for weights.c.j2."""
    values = [str(int(v)) for v in np.asarray(constant.values).ravel()]
    a_line = VALUES_A_LINE
    if constant.macro is not None:
        macro, takes = constant.macro.name, constant.macro.takes
        values = [f"{macro}({', '.join(values[i : i + takes])})" for i in range(0, len(values), takes)]
        a_line = max(1, VALUES_A_LINE // takes)
    rows = (values[i : i + a_line] for i in range(0, len(values), a_line))
    return {
        "name": constant.name,
        "ctype": constant.ctype,
        "size": constant.size,
        "comment": constant.comment,
        "text": "\n".join("    " + ", ".join(row) + "," for row in rows),
    }
