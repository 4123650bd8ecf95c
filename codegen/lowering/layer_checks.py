"""The checked step of debug.c: the plain step's calls, each followed by a checksum of what it wrote."""

from tinyloc.codegen.lowering.lower import Program, pointer


def check_calls(program: Program) -> list[str]:
    """Statements of the checked step of debug.c: those of the plain step, each followed by its check."""
    graph, places = program.graph, program.storage.places
    whole = "tl_check(input, sizeof(tl_input_t) * TL_INPUTS);"
    lines = ["tl_check_entries(entries, count);" if program.sparse else whole]
    for layer, op in zip(program.layers, program.storage.layers, strict=True):
        lines.append(layer.call)
        for number, t in enumerate(op.outputs):
            function = "tl_check_more" if number else "tl_check"
            lines.append(f"{function}({pointer(graph, t, places[t])}, {graph.tensors[t].bytes});")
    lines += program.calls[len(program.layers) :]
    lines.append("tl_check(scores, sizeof(tl_score_t) * TL_CLASSES);")
    lines += [f"tl_check(state->{state['name']}, sizeof state->{state['name']});" for state in program.states]
    return lines


def check_count(program: Program) -> int:
    """How many checks a step leaves."""
    return 2 + len(program.layers) + len(program.states)
