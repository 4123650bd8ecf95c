"""Everything behind a page: project, recorder, training, and the model at work where there is one."""

import threading
from typing import Any, Protocol

from tinyloc.boards import board_names
from tinyloc.device.link.serial_port import ports_here
from tinyloc.survey.data_files import split_of
from tinyloc.survey.guidance import Guidance, guide
from tinyloc.survey.project import Project
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.session import read_about, session_names
from tinyloc.survey.training_job import TrainingJob

GUIDE_S = 3.0
TICK_S = 0.1


class Live(Protocol):
    """A model, or a filter, at work."""

    def about(self) -> dict[str, Any]:
        """What does not change."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """What the page shows now."""
        ...

    def truth(self, room: str | None, x: float | None, y: float | None, floor: int) -> None:
        """Somebody said where the person is."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class Desk:
    """The state behind a page. `live` is None for a survey."""

    def __init__(self, project: Project, recorder: Recorder, board: str, live: Live | None = None) -> None:
        self.project, self.recorder, self.live = project, recorder, live
        self.job = TrainingJob(project, board)
        self.pages = 0
        self.guidance: Guidance = guide(recorder.book, project.plan, project.ids)
        self._slow: dict[str, Any] = recorder.slow_snapshot()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._each, args=(GUIDE_S, self._guide), daemon=True),
            threading.Thread(target=self._each, args=(TICK_S, recorder.tick), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def mark(self, **where: Any) -> dict[str, Any]:
        """Say where the person is; a live model takes it as the truth."""
        mark = self.recorder.mark(**where)
        if self.live is not None:
            self.live.truth(mark.room, mark.x, mark.y, mark.floor)
        return mark.model_dump(exclude_none=True)

    def now(self) -> dict[str, Any]:
        """Several times a second."""
        live = {} if self.live is None else {"live": self.live.snapshot()}
        return {"kind": "now", "pages": self.pages, **self.recorder.snapshot(), **live}

    def all(self) -> dict[str, Any]:
        """When a page opens, and every few seconds."""
        content = self.project.content
        return {
            "kind": "all",
            "name": content.name,
            "scan_s": content.scan_s,
            "plan": content.plan.model_dump(),
            "revision": self.project.revision,
            "ids": content.ids.model_dump(),
            "sessions": self._sessions(),
            "guidance": self.guidance.plain(),
            "training": self.job.snapshot(),
            "learn": {"able": self.recorder.book.learnable, "suits": self.recorder.book.suits},
            "boards": board_names(),
            "ports": ports_here(),
            "about_live": None if self.live is None else self.live.about(),
            **self._slow,
        }

    def close(self) -> None:
        """Stop everything; the session ends."""
        self._stopped.set()
        self.job.stop()
        if self.live is not None:
            self.live.close()
        self.recorder.close()
        self.project.close()

    def _sessions(self) -> list[dict[str, Any]]:
        """What is known of each session, and its role in a training now: train, test, held out, or "" without one."""
        abouts = {name: read_about(self.project.sessions / name) for name in session_names(self.project.sessions)}
        taught = {
            name: about
            for name, about in abouts.items()
            if name in self.recorder.book.sessions and about.kind == "survey" and about.use != "leave out"
        }
        split, why = split_of(taught)
        roles = split or dict.fromkeys(taught, "held out")
        reason = why[0] if why else ""
        return [
            {"name": name, **about.model_dump(), "role": roles.get(name, ""), "why": reason}
            for name, about in abouts.items()
        ]

    def _guide(self) -> None:
        slow = self.recorder.slow_snapshot()
        self.guidance = guide(self.recorder.book, self.project.plan, self.project.ids, slow["vanished"])
        self._slow = slow

    def _each(self, seconds: float, work: Any) -> None:
        while not self._stopped.wait(seconds):
            try:
                work()
            except RuntimeError:  # the book grew while it was read: the next look sees it whole
                continue
