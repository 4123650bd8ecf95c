"""What a page may ask for: a table of commands, each with a checked argument."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.boards import board_names
from tinyloc.names import Line, OptionalLine
from tinyloc.strict import problems
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.plan import Plan
from tinyloc.survey.scans import Learn
from tinyloc.survey.session import About, Use, set_use
from tinyloc.survey.sources.names import DEFAULT_BAUD, make_source
from tinyloc.survey.state import Desk


class _Ask(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Nothing(_Ask):
    pass


class SetPlan(_Ask):
    plan: Plan
    revision: int


class Id(_Ask):
    id: Line
    name: OptionalLine = ""


class Ids(_Ask):
    ids: list[Line] = Field(max_length=5000)
    ignore: bool = True


class Random(_Ask):
    ignore: bool


class Where(_Ask):
    room: Line | None = None
    x: float | None = None
    y: float | None = None
    floor: int = 0
    step: bool = False


class Name(_Ask):
    name: Line


class SourceText(_Ask):
    text: Line
    baud: int = DEFAULT_BAUD
    speed: float = 1.0


class UseOf(_Ask):
    name: Line
    use: Use


class Train(_Ask):
    board: Line | None = None
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    learn: Learn | None = None


def _plan(desk: Desk, ask: SetPlan) -> Any:
    desk.project.set_plan(ask.plan, ask.revision)
    return {"revision": desk.project.revision}


def _ids(change: Callable[[Desk, Any], Any]) -> Callable[[Desk, Any], Any]:
    def changed(desk: Desk, ask: Any) -> Any:
        try:
            desk.project.set_ids(change(desk, ask))
        except ValidationError as error:
            raise SurveyError("; ".join(problems(error))) from error
        desk.recorder.reload()

    return changed


def _random(desk: Desk, ignore: bool) -> Aliases:
    """Ignore what may be a phone, now and later; beacons with such bits that are heard now are kept."""
    levels, project = desk.recorder.levels, desk.project
    placed = {beacon.id for beacon in project.plan.beacons}
    kept = [*levels.may_be_private(levels.passing(project.ids, placed)), *placed] if ignore else []
    return project.ids.with_random_ignored(ignore, kept)


def _train(desk: Desk, ask: Train) -> Any:
    if ask.board is not None and ask.board not in board_names():
        raise SurveyError(f"there is no board {ask.board!r}; there are {', '.join(board_names())}")
    return {"notes": desk.job.start(ask.board, ask.epochs, ask.learn or desk.recorder.book.suits)}


def _use(desk: Desk, ask: UseOf) -> Any:
    set_use(desk.project.sessions, ask.name, ask.use)
    desk.recorder.reload()


COMMANDS: dict[str, tuple[type[_Ask] | type[About], Callable[[Desk, Any], Any]]] = {
    "plan": (SetPlan, _plan),
    "name": (Id, _ids(lambda desk, ask: desk.project.ids.with_name(ask.id, ask.name))),
    "ignore": (Ids, _ids(lambda desk, ask: desk.project.ids.with_ignored(ask.ids, ask.ignore))),
    "ignore random": (Random, _ids(lambda desk, ask: _random(desk, ask.ignore))),
    "merge": (Id, _ids(lambda desk, ask: desk.project.ids.with_merged(ask.id, ask.name))),
    "where": (Where, lambda desk, ask: desk.mark(**ask.model_dump())),
    "start": (About, lambda desk, ask: desk.recorder.start_session(ask)),
    "end": (Nothing, lambda desk, ask: desk.recorder.end_session()),
    "resume": (Name, lambda desk, ask: desk.recorder.resume(ask.name)),
    "use": (UseOf, _use),
    "add source": (SourceText, lambda desk, ask: desk.recorder.add_source(make_source(ask.text, ask.baud, ask.speed))),
    "replay again": (Name, lambda desk, ask: desk.recorder.replay_again(ask.name)),
    "remove source": (Name, lambda desk, ask: desk.recorder.remove_source(ask.name)),
    "train": (Train, _train),
    "stop training": (Nothing, lambda desk, ask: desk.job.stop()),
}


def obey(desk: Desk, name: str, body: bytes) -> Any:
    """Carry out one command. Raises SurveyError with all that is wrong with it."""
    if name not in COMMANDS:
        raise SurveyError(f"there is no command {name!r}")
    kind, action = COMMANDS[name]
    try:
        ask = kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise SurveyError("; ".join(problems(error))) from error
    return action(desk, ask)
