"""Tensor names of an exported step. Needs no torch."""

from dataclasses import dataclass

INPUT, OUTPUT = "reading", "scores"


@dataclass(frozen=True)
class StepNames:
    """Tensor names of an exported step. The k-th state is read as `state_inputs[k]`, written as `state_outputs[k]`."""

    states: tuple[str, ...]

    @property
    def state_inputs(self) -> tuple[str, ...]:
        return tuple(f"{name}_in" for name in self.states)

    @property
    def state_outputs(self) -> tuple[str, ...]:
        return tuple(f"{name}_out" for name in self.states)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All inputs, the reading first."""
        return (INPUT, *self.state_inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """All outputs, the scores first."""
        return (OUTPUT, *self.state_outputs)
