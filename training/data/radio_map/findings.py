"""What a look at somebody's files finds: problems, which all stop the reading at once, and notes, which people read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tinyloc.training.errors import DataError


@dataclass
class Findings:
    """Sentences, each with the file that it is about."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Keep a DataError of the block as a problem and go on behind it."""
        try:
            yield
        except DataError as error:
            self.problems.append(str(error))

    def stop(self) -> None:
        """Raise all problems so far as one DataError."""
        if self.problems:
            raise DataError("; ".join(self.problems))
