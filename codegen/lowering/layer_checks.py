"""The checked step of debug.c: the plain step's calls, each followed by a checksum of what it wrote."""

from tinyloc.codegen.lowering.lower import Program


def check_calls(program: Program, into: str = "") -> list[str]:
    """Statements of a localiser's checked step: those of the plain step, each followed by its check.

    into: first argument of every check, with the comma behind it; debug.c has none.
    """
    whole = f"tl_check({into}input, sizeof(tl_input_t) * TL_INPUTS);"
    before = f"tl_check_entries({into}entries, count);" if program.sparse else whole
    after = [f"tl_check({into}state->{state['name']}, sizeof state->{state['name']});" for state in program.states]
    return checked_layers(
        program, [before], [f"tl_check({into}scores, sizeof(tl_score_t) * TL_CLASSES);", *after], into
    )


def checked_layers(program: Program, before: list[str], after: list[str], into: str) -> list[str]:
    """The layers, each with its check, and the copies that end a step, between other checks."""
    lines = list(before)
    for layer, op in zip(program.layers, program.storage.layers, strict=True):
        lines.append(layer.call)
        for number, t in enumerate(op.outputs):
            function = "tl_check_more" if number else "tl_check"
            lines.append(f"{function}({into}{program.pointer(t)}, {program.graph.tensors[t].bytes});")
    return [*lines, *program.calls[len(program.layers) :], *after]


def check_count(program: Program) -> int:
    """How many checks a step leaves."""
    return 2 + len(program.layers) + len(program.states)
