"""Which input of a network takes the readings, which output gives the scores, and which pairs are states."""

from collections.abc import Mapping, Sequence

from tinyloc.export.errors import ExportError
from tinyloc.export.network.description import NetworkState
from tinyloc.names import printable


def choose_ends(
    inputs: Mapping[str, Sequence[object]],
    outputs: Mapping[str, Sequence[object]],
    reading: str | None,
    scores: str | None,
    states: Sequence[NetworkState],
) -> tuple[list[str], list[str]]:
    """Put the ends of a network in the order of a step: reading or scores first, then the states.

    Args:
        inputs, outputs: name -> shape.
        reading, scores: names in the description; None where there is one end that is no state.
        states: with the names of both ends.

    Raises:
        ExportError: ends that are not there, not named or left over; everything at once.
    """
    problems: list[str] = []
    chosen = [
        _side(inputs, "input", "takes the readings", reading, {s.name: s.input for s in states}, problems),
        _side(outputs, "output", "gives the scores", scores, {s.name: s.output for s in states}, problems),
    ]
    if problems:
        raise ExportError("; ".join(problems))
    return chosen[0], chosen[1]


def _side(
    have: Mapping[str, Sequence[object]],
    side: str,
    what: str,
    named: str | None,
    states: Mapping[str, str | None],
    problems: list[str],
) -> list[str]:
    told = ", ".join(f"{printable(name)} {list(shape)}" for name, shape in have.items())
    if unnamed := [name for name, end in states.items() if end is None]:
        problems.append(f"state {', '.join(unnamed)}: name its {side}; the network has {told}")
        return []
    ends = [str(end) for end in states.values()]
    if lost := [end for end in [*ends, *([named] if named else [])] if end not in have]:
        problems.append(f"no {side} {', '.join(map(printable, lost))}; the network has {told}")
        return []
    left = [name for name in have if name not in ends]
    if named is None and len(left) != 1:
        problems.append(
            f"the network has {len(have)} {side}s ({told}): say which one {what} (network.{side}), and list the others "
            "in [[network.states]]"
        )
        return []
    main = named or left[0]
    if others := [name for name in left if name != main]:
        problems.append(
            f"{side} {', '.join(map(printable, others))} is no state: a state is taken as an input and returned as an "
            "output; list both in [[network.states]], or remove it from the network"
        )
    return [main, *ends]
