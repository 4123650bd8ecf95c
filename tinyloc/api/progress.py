"""Progress of long calls: nothing, a function of yours, or a bar that suits where Python runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

Progress = Callable[[str, int, int], None]
"""Gets what is done, how many are done, and how many there are."""
Shown = Progress | Literal["bar"] | None
"""None: nothing. "bar": rich's bar on a terminal, tqdm's in a notebook. A function: it is called."""


@contextmanager
def shown(progress: Shown) -> Iterator[Progress]:
    """Give the function that a long call reports to."""
    if progress is None:
        yield lambda what, done, total: None
    elif progress == "bar":
        with _notebook_bar() if in_notebook() else _terminal_bar() as show:
            yield show
    else:
        yield progress


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel."""
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _terminal_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


@contextmanager
def _notebook_bar() -> Iterator[Progress]:
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        with _terminal_bar() as plain:
            yield plain
        return
    bars: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, leave=False)
        bars[what].update(done - bars[what].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
