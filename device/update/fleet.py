"""Updates of many devices side by side: each is asked what it has, sent what it lacks, and reported."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from tinyloc.boards import load_board
from tinyloc.codegen.manifest import Manifest, read_manifest
from tinyloc.device.link.client import DeviceClient, DeviceRefused
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.tags import LinkKeyError
from tinyloc.device.link.transport import LinkError, Transport
from tinyloc.device.update.client import read_status, roll_back, run_new_model, send_update
from tinyloc.device.update.constants import constants_of
from tinyloc.device.update.slot import UpdateError, make_header, program_of
from tinyloc.errors import UserError

Outcome = Literal["updated", "had it", "went back", "refused", "unreachable"]
ATTEMPTS = 5
"""Times that a device is tried whose link fails."""
SIDE_BY_SIDE = 64
"""Devices at once: they wait for their lines, not for this machine."""


class DeviceReport(BaseModel):
    """What became of one device."""

    port: str
    outcome: Outcome
    board: str = ""
    version_before: int | None = None
    version: int | None = None
    model_id: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether the device has what was asked for."""
        return self.outcome in ("updated", "had it", "went back")


class ModelPackage:
    """A model as the devices of each board take it, made once a board."""

    def __init__(self, generated: Path, key: SharedKey, version: int) -> None:
        self.generated, self.key, self.version = generated, key, version
        self.manifest: Manifest = read_manifest(generated)
        if self.manifest.updatable is None:
            raise UpdateError(
                f"{generated}: this code holds its model as immediates; run `tinyloc codegen --updatable`, with the "
                "same capacities as the devices' image"
            )
        self._made: dict[str, tuple[bytes, bytes]] = {}
        self._lock = threading.Lock()

    def on(self, board: str) -> tuple[bytes, bytes]:
        """(header, constants) for a board. Raises UpdateError, BoardError."""
        with self._lock:
            if board not in self._made:
                found = load_board(board)
                constants = constants_of(self.generated, self.manifest, found)
                program = program_of(self.manifest, found)
                header = make_header(constants, program, self.manifest.model_id, self.version, self.key)
                self._made[board] = header, constants
            return self._made[board]


@dataclass(frozen=True)
class Fleet:
    """Ports, and how each is opened."""

    ports: Sequence[str]
    open_port: Callable[[str], Transport]
    link_key: SharedKey | None = None
    """That their images were built with; None: they ask for no tags."""


def read_ports(path: Path) -> list[str]:
    """Ports from a file, one a line; `#` begins a comment.

    Raises:
        UpdateError: the file cannot be read, is empty, or names a port twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UpdateError(f"{path}: cannot be read as text ({error}); write one port a line") from error
    ports = [line.split("#")[0].strip() for line in lines]
    ports = [port for port in ports if port]
    twice = sorted({port for port in ports if ports.count(port) > 1})
    if not ports or twice:
        what = f"names {', '.join(twice)} twice" if twice else "names no port"
        raise UpdateError(f"{path}: {what}; write one port a line")
    return ports


def update_fleet(
    fleet: Fleet,
    package: ModelPackage,
    *,
    rollback: bool = False,
    timeout: float = 0.5,
    tell: Callable[[DeviceReport], None] = lambda report: None,
) -> list[DeviceReport]:
    """Update the devices at all ports; one that fails does not stop the others.

    A device that has the model is left as it is, and an interrupted update goes on where the device stands: the same
    call again is how a fleet is resumed.
    """

    def one(port: str) -> DeviceReport:
        report = _one(fleet, port, package, rollback, timeout)
        tell(report)
        return report

    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(fleet.ports))) as pool:
        return list(pool.map(one, fleet.ports))


def _one(fleet: Fleet, port: str, package: ModelPackage, rollback: bool, timeout: float) -> DeviceReport:
    last = ""
    for _ in range(ATTEMPTS):
        try:
            with closing(fleet.open_port(port)) as transport:
                return _through(DeviceClient(transport, timeout, key=fleet.link_key), port, package, rollback)
        except (DeviceRefused, LinkKeyError) as error:  # trying again does not help
            return DeviceReport(port=port, outcome="refused", detail=str(error))
        except LinkError as error:
            last = str(error)
        except UserError as error:
            return DeviceReport(port=port, outcome="refused", detail=str(error))
    return DeviceReport(port=port, outcome="unreachable", detail=last)


def _through(client: DeviceClient, port: str, package: ModelPackage, rollback: bool) -> DeviceReport:
    hello, status = client.hello(), read_status(client)
    before = status.version
    if rollback:
        roll_back(client, package.key)
        outcome: Outcome = "went back"
    else:
        header, constants = package.on(hello.board)
        following = None if status.next is None else status.slots[status.next]
        same = following is not None and following.model_id == package.manifest.model_id
        if same and following is not None and following.version == package.version:
            outcome = "had it"
        else:
            send_update(client, header, constants)
            outcome = "updated"
    now = run_new_model(client)
    after = read_status(client)
    if not rollback and now.model_id != package.manifest.model_id:
        raise UpdateError(
            f"{port}: it answers with model {now.model_id}, not {package.manifest.model_id}; run it again"
        )
    return DeviceReport(
        port=port, outcome=outcome, board=hello.board, version_before=before, version=after.version,
        model_id=now.model_id,
    )  # fmt: skip
