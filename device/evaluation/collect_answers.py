"""A test set's answers from a device, collected over the link; a log makes an interrupted collection continue."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import TestSet
from tinyloc.device.link.client import DeviceClient, DeviceRefused, DeviceRestarted
from tinyloc.device.link.frames import Hello, Result
from tinyloc.device.link.transport import LinkError
from tinyloc.files import write_whole

RESTARTS = 3
"""A device that restarts more often than this during a test set is not believed."""

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass(frozen=True)
class Answers:
    """What the device said to each of N samples."""

    class_index: npt.NDArray[np.int32]  # (N,) -1 where no decision was due
    scores: npt.NDArray[np.int16]  # (N, C)
    cycles: npt.NDArray[np.int64]  # (N,) by the device's counter
    stack_high_water: npt.NDArray[np.int64]  # (N,) bytes
    restarts: int
    """How often the device restarted on the way; its recording was begun again."""
    position_mm: npt.NDArray[np.int64]  # (N, 2) x and y, of a model that decides positions; else 0
    margin: npt.NDArray[np.int64]  # (N,) lead of the decision, in units of the quantised scores, or votes
    unknown: npt.NDArray[np.bool_]  # (N,) the class means nothing: too little was heard, or the margin is too small

    def put(self, index: int, result: Result) -> None:
        """Enter the answer to one sample."""
        self.class_index[index] = result.class_index
        self.scores[index] = result.scores
        self.cycles[index] = result.cycles
        self.stack_high_water[index] = result.stack_high_water
        self.margin[index] = result.margin
        self.unknown[index] = result.unknown
        if result.position_mm is not None:
            self.position_mm[index] = result.position_mm


class ExchangeLog:
    """One JSON line an answer, appended as it comes. A log of another model, image, board or test set is begun anew.

    `image` is the hash of the ELF file that the device runs: another build has other cycles and stack.
    """

    def __init__(self, path: Path, device: Hello, image: str, test_set: TestSet) -> None:
        self.path = path
        self.head: dict[str, Any] = {
            "model_id": device.model_id,
            "board": device.board,
            "image": image,
            "samples": len(test_set.label),
            "readings": int(np.bitwise_xor.reduce(_mixed(test_set.rssi_dbm))),
        }
        self._classes = device.classes
        self.done = self._read()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(self.head) + "\n" + "".join(_line(i, r) for i, r in self.done.items()))
        self._file = path.open("a", encoding="utf-8")

    def _read(self) -> dict[int, Result]:
        if not self.path.is_file():
            return {}
        lines = _whole_lines(self.path)
        if next(lines, None) != self.head:
            return {}
        done: dict[int, Result] = {}
        for line in lines:
            answer = _answer(line, self.head["samples"], self._classes)
            if answer is None:  # what follows a line that is none of ours cannot be trusted either
                break
            done[answer[0]] = answer[1]
        return done

    def add(self, index: int, result: Result) -> None:
        """Append one answer."""
        self._file.write(_line(index, result))
        self._file.flush()

    def close(self) -> None:
        """The file stays."""
        self._file.close()

    def finish(self) -> None:
        """The collection is complete: the next one starts from nothing."""
        self._file.close()
        self.path.unlink(missing_ok=True)


_KEYS = frozenset({"sample", "class", "cycles", "stack", "scores", "position", "margin", "unknown"})


def _line(index: int, result: Result) -> str:
    content = {
        "sample": index, "class": result.class_index, "cycles": result.cycles,
        "stack": result.stack_high_water, "scores": result.scores.tolist(),
        "position": list(result.position_mm or ()), "margin": result.margin, "unknown": int(result.unknown),
    }  # fmt: skip
    return json.dumps(content) + "\n"


def _answer(line: Any, samples: int, classes: int) -> tuple[int, Result] | None:
    """Sample and answer of a line that `_line` wrote; None for anything else, whole JSON or not."""
    if not isinstance(line, dict) or set(line) != _KEYS:
        return None
    numbers = [line["sample"], line["class"], line["cycles"], line["stack"], line["margin"], line["unknown"]]
    scores, position = line["scores"], line["position"]
    if not isinstance(scores, list) or not isinstance(position, list) or len(position) not in (0, 2):
        return None
    if not all(type(value) is int for value in (*numbers, *scores, *position)):
        return None
    index, decided, cycles, stack, margin, unknown = numbers
    limits = np.iinfo(np.int16)
    legal = unknown in (0, 1) and 0 <= index < samples and -1 <= decided < classes and min(cycles, stack, margin) >= 0
    if not legal or len(scores) != classes or not all(limits.min <= value <= limits.max for value in scores):
        return None
    x_and_y = (position[0], position[1]) if position else None
    found = Result(decided, cycles, stack, np.array(scores, np.int16), x_and_y, margin, unknown=bool(unknown))
    return index, found


def _mixed(rssi_dbm: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """A number for every row that depends on values and places."""
    weights = np.arange(1, rssi_dbm.size + 1, dtype=np.int64).reshape(rssi_dbm.shape)
    rows: npt.NDArray[np.int64] = (rssi_dbm.astype(np.int64) * weights).sum(axis=1)
    return rows


def _whole_lines(path: Path) -> Iterator[Any]:
    """Lines up to the first that was not written whole."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if not line.endswith("\n"):
            return
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _same_device(client: DeviceClient) -> None:
    """What restarted or refused must be the image that was asked before: another board may have been plugged in.

    Raises LinkError when it is another one.
    """
    before = client.device
    now = client.hello()
    if before is not None and replace(now, reset_cause=before.reset_cause) != before:
        raise LinkError(
            f"{client.transport.name}: the board or image changed: now model {now.model_id} on {now.board}, "
            f"before model {before.model_id} on {before.board}; connect the first one and run again"
        )


def collect(
    client: DeviceClient,
    test_set: TestSet,
    classes: int,
    *,
    independent: bool,
    before: Callable[[int], None] = lambda index: None,
    progress: Progress = lambda done, total: None,
    log: ExchangeLog | None = None,
) -> Answers:
    """Send every sample to the device, recording by recording.

    Args:
        independent: samples carry nothing over, so they need no reset and a resumed collection skips each known one;
            otherwise whole recordings are skipped or repeated.
        before: called with the sample's index before it is sent.
        log: answers known already; new ones are added.
    Raises:
        LinkError: the link failed, or the device restarted more than RESTARTS times.
    """
    total = len(test_set.label)
    answers = Answers(
        np.full(total, -1, np.int32), np.zeros((total, classes), np.int16), np.zeros(total, np.int64),
        np.zeros(total, np.int64), 0, np.zeros((total, 2), np.int64), np.zeros(total, np.int64), np.zeros(total, bool),
    )  # fmt: skip
    known = log.done if log is not None else {}
    for index, result in known.items():
        answers.put(index, result)
    units = [slice(0, total)] if independent else list(test_set.recordings())
    restarts = done = 0
    for unit in units:
        samples = range(unit.start, unit.stop)
        todo = [index for index in samples if index not in known]
        if todo and not independent:
            todo = list(samples)
        done += len(samples) - len(todo)
        position = 0
        fresh = True
        while position < len(todo):
            try:
                if fresh:
                    client.reset()
                    fresh = False
                index = todo[position]
                before(index)
                result = client.sample(*test_set.sparse(index))
            except DeviceRefused:
                _same_device(client)
                raise
            except DeviceRestarted:
                restarts += 1
                if restarts > RESTARTS:
                    raise
                _same_device(client)
                fresh = True
                if not independent:
                    position = 0
                continue
            answers.put(index, result)
            if log is not None:
                log.add(index, result)
            position += 1
            progress(done + position, total)
        done += len(todo)
    return replace(answers, restarts=restarts)
