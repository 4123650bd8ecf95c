"""The machines that studies and searches run on: Ray on this machine, or a cluster at an address."""

import hashlib
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tinyloc.environment import PINNED_ARITHMETIC, install_command, version
from tinyloc.errors import UserError
from tinyloc.paths import PACKAGE_DIR
from tinyloc.training.errors import one_line

LOOPBACK = "127.0.0.1"
PARTS = ("boards", "bundle", "codegen", "device", "export", "firmware", "study", "training")
"""Of the package; what they hold decides the figures of a cell."""
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
PROBE_SECONDS = 60.0
KNOCK_SECONDS = 5.0
STARTS = 4
SLOW_START = "timed out during startup"
COMPILER = "arm-none-eabi-gcc"


class ClusterError(UserError):
    """A cluster that cannot be reached, or whose machines cannot do the work; the message says what to do."""


@dataclass(frozen=True)
class Machine:
    """What a node of the cluster says about itself."""

    name: str
    python: str
    tinyloc: str
    """Version and a digest of the sources: two checkouts may have the same version."""
    sees: bool
    """Whether it sees the work directory that the studies share."""
    compiler: bool


@contextmanager
def cluster(address: str | None = None, cpus: int | None = None, shared: Path | None = None) -> Iterator[None]:
    """Connect to Ray, check its machines, and disconnect at the end.

    Args:
        address: of a running cluster (HOST:PORT, or "auto"); without it Ray starts on this machine.
        cpus: of this machine, for tasks at the same time; without it all.
        shared: directory that every machine has to see. It is made.

    Raises:
        ClusterError: the cluster cannot be reached, a machine has another Python or tinyloc, or does not see `shared`.
    """
    if ray.is_initialized():  # somebody else's, as in tests
        if len(nodes()) > 1:
            check_machines(shared)
        yield
        return
    with _started(address, cpus):
        if address is not None:
            check_machines(shared)
        yield


@contextmanager
def _started(address: str | None, cpus: int | None) -> Iterator[None]:
    options: dict[str, Any] = {
        "logging_level": "error",
        "log_to_driver": False,
    }
    wanted = {**THREADS, **PINNED_ARITHMETIC}
    if address is None:
        for name, value in wanted.items():  # workers inherit it
            os.environ.setdefault(name, value)
        options |= {"num_cpus": cpus or os.cpu_count(), "include_dashboard": False, "_node_ip_address": LOOPBACK}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    else:
        options |= {"address": address, "runtime_env": {"env_vars": wanted}}
        _knock(address)
    try:
        _init(options)
    except ClusterError:
        raise
    except RuntimeError as error:  # Ray compares its version and Python's with the cluster's
        raise ClusterError(
            f"the cluster at {address} and this machine do not go together: {one_line(error)}. Install the same Python "
            f"(here {platform.python_version()}) and Ray (here {ray.__version__}) on all"
        ) from error
    except (ConnectionError, OSError, ValueError, RayError) as error:
        raise _unreachable(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Ray ends the whole process when nobody answers at an address, so ask the address first."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> ClusterError:
    return ClusterError(
        f"no Ray cluster answers at {address!r} ({one_line(error)[:200]}). Start one with `ray start --head` and give "
        "its address as HOST:PORT, or leave --address out to work on this machine"
    )


def _init(options: dict[str, Any]) -> None:
    """Start or join Ray. Its own patience with a start is 30 s, which a busy machine may exceed."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(**options)
            return
        except Exception as error:
            if SLOW_START not in str(error):
                raise
            ray.shutdown()
            if not left:
                raise ClusterError(
                    f"Ray did not start, {STARTS} times ({one_line(error)[:200]}): this machine is overloaded. Try "
                    "again when it has less to do"
                ) from error


def nodes() -> dict[str, dict[str, Any]]:
    """Living nodes of the cluster: id -> what Ray knows about it."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]


def cpus() -> int:
    """CPUs of all living nodes."""
    return max(1, int(sum(node["Resources"].get("CPU", 0) for node in nodes().values())))


def largest_memory() -> int:
    """Bytes of memory that Ray grants to tasks on the largest living node."""
    return int(max(node["Resources"].get("memory", 0) for node in nodes().values()))


@cache
def code() -> str:
    """Version and a digest of the package's sources, such as "0.1.0 (1f2e3d4c)"."""
    digest = hashlib.sha256()
    for part in PARTS:
        folder = (PACKAGE_DIR / part).resolve()
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".c", ".h", ".toml", ".json", ".j2"} and path.is_file():
                digest.update(f"{part}/{path.relative_to(folder)}".encode())
                digest.update(path.read_bytes())
    return f"{version()} ({digest.hexdigest()[:8]})"


def look(marker: str | None) -> Machine:
    """Describe the machine that this runs on. `marker`: a file that it should see."""
    sees = marker is None or Path(marker).is_file()
    return Machine(platform.node(), platform.python_version(), code(), sees, shutil.which(COMPILER) is not None)


def check_machines(shared: Path | None) -> None:
    """Compare every living machine with this one. ClusterError names all that differ, and how."""
    marker = None
    if shared is not None:
        shared.mkdir(parents=True, exist_ok=True)
        marker = shared.resolve() / f".seen-by-{uuid4().hex}"
        marker.touch()
    try:
        problems = [text for name in nodes() for text in _problems(name, str(marker) if marker else None)]
    finally:
        if marker is not None:
            marker.unlink()
    if problems:
        raise ClusterError("; ".join(dict.fromkeys(problems)))


def _problems(node: str, marker: str | None) -> list[str]:
    place = NodeAffinitySchedulingStrategy(node, soft=False)
    where = f"machine {nodes().get(node, {}).get('NodeManagerHostname', node[:8])}"
    probe = ray.remote(look).options(num_cpus=0, scheduling_strategy=place, max_retries=1).remote(marker)
    try:
        found: Machine = ray.get(probe, timeout=PROBE_SECONDS)
    except GetTimeoutError:
        return [f"{where} did not answer within {PROBE_SECONDS:.0f} s; remove it from the cluster or restart Ray there"]
    except RayError as error:
        with suppress(Exception):
            ray.cancel(probe, force=True)
        if "No module named" in str(error):
            command = install_command("study,export")
            return [f"{where} has no tinyloc, or another one ({one_line(error)[-200:]}); run there {command}"]
        return [f"{where} cannot run tasks: {one_line(error)[-300:]}"]
    return compared(found, look(marker), where)


def compared(found: Machine, here: Machine, where: str) -> list[str]:
    """How a machine differs from this one, as one sentence each."""
    problems = []
    if found.python.split(".")[:2] != here.python.split(".")[:2]:
        problems.append(f"{where} runs Python {found.python}, this one {here.python}; use the same on all")
    if found.tinyloc != here.tinyloc:
        problems.append(
            f"{where} has tinyloc {found.tinyloc}, this one {here.tinyloc}: figures of the two do not belong in one "
            "table; install the same commit on all"
        )
    if not found.sees:
        problems.append(
            f"{where} does not see the work directory; put --work on a file system that all machines have at the same "
            "path"
        )
    if here.compiler and not found.compiler:
        problems.append(f"{where} has no {COMPILER}; install it there")
    return problems
