"""The engine: reports, urgency, deaths of workers and of a node, Ctrl-C, and machines that differ."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.study import work
from tinyloc.study.cluster import ClusterError, Machine, cluster, code, compared, look
from tinyloc.study.tasks import Engine, Needs


@pytest.mark.usefixtures("ray_here")
def test_tasks_report_and_the_urgent_come_first(tmp_path: Path) -> None:
    alone = Needs(cpus=2)
    with Engine() as engine:
        for number in range(3):
            engine.submit(f"{number}", work.wait_for, str(tmp_path), number, 0.1, needs=alone)
        engine.submit("urgent", work.wait_to_be_seen, str(tmp_path), 9, needs=alone, urgency=1)
        found = []
        for event in engine.events():
            found.append(event)
            if event.text == "9 is at work":
                (tmp_path / "seen").touch()
    ended = {event.key: event.result for event in found if event.ended}
    assert ended == {"0": 0, "1": 1, "2": 2, "urgent": 9}
    assert "9 is at work" in [event.text for event in found if event.key == "urgent"]
    begun = [line for line in (tmp_path / "log.txt").read_text().splitlines() if line.startswith("begin")]
    assert begun == ["begin 9", "begin 0", "begin 1", "begin 2"]


@pytest.mark.usefixtures("ray_here")
def test_more_memory_than_any_machine_has_does_not_wait_for_ever(tmp_path: Path) -> None:
    with Engine() as engine:
        engine.submit("large", work.wait_for, str(tmp_path), 1, 0.0, needs=Needs(memory_bytes=1 << 50))
        assert [event.result for event in engine.events() if event.ended] == [1]


@pytest.mark.usefixtures("ray_here")
def test_a_class_beside_the_command_is_found_by_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch\n\n\nclass Net(torch.nn.Linear):\n    def __init__(self, inputs, classes):\n"
    (tmp_path / "my_nets.py").write_text(code + "        super().__init__(inputs, classes)\n")
    monkeypatch.chdir(tmp_path)
    with Engine() as engine:
        engine.submit("own", work.own_parameters, "my_nets:Net")
        assert [event.result for event in engine.events() if event.ended] == [8]


@pytest.mark.usefixtures("ray_here")
def test_what_still_runs_is_cancelled_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Engine() as engine:
        engine.submit("long", work.wait_for, str(tmp_path), 1, 60.0)
        for event in engine.events():
            assert event.text == "1 is at work"
            raise KeyboardInterrupt
    assert (tmp_path / "log.txt").read_text() == "begin 1\n"


TWO_NODES = """
import sys
from collections import Counter
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from tests.study import work
from tinyloc.study.cluster import check_machines
from tinyloc.study.tasks import Engine

place = Path(sys.argv[1])
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = nodes.add_node(num_cpus=1)
ray.init(address=nodes.address, logging_level="error", log_to_driver=False)
check_machines(place)
ended = Counter()
with Engine() as engine:
    for number in range(6):
        engine.submit(f"cell {number}", work.wait_for, str(place), number, 1.0)
    for event in engine.events():
        if event.ended:
            assert event.error is None, event.error
            ended[event.result] += 1
        if second is not None and (place / "log.txt").read_text().count("begin") >= 3:
            nodes.remove_node(second, allow_graceful=False)
            second = None
print(sorted(ended.items()), second)
ray.shutdown()
nodes.shutdown()
"""


def test_a_node_that_dies_costs_no_cell_and_none_comes_twice(tmp_path: Path, repository: Path) -> None:
    """Two nodes on this machine, one of them killed in the middle. In a process of its own: Ray is one per process."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_NODES, str(tmp_path)],
        capture_output=True, text=True, timeout=120, cwd=repository, check=False,
        env={**os.environ, "PYTHONPATH": str(repository), "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert f"{[(number, 1) for number in range(6)]} None" in done.stdout, done.stdout + done.stderr
    log = Counter((tmp_path / "log.txt").read_text().splitlines())
    assert all(log[f"end {number}"] == 1 for number in range(6))
    begun = sum(count for line, count in log.items() if line.startswith("begin"))
    assert 6 <= begun <= 7  # at most the cell that ran on the dead node began anew


STUDY = """
name = "long"
forms = ["float"]
over.training = { epochs = 2000, chunks_per_epoch = 16 }
over.data = { options = { training_walks = 1, living_minutes = 1.0 } }
[data.house]
recipe = "house-a-mamba"
[model.mamba]
[[grid]]
data = ["house"]
model = ["mamba"]
seeds = [1]
"""


def test_ctrl_c_ends_a_study_and_leaves_no_process(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    options = ["--jobs", "1", "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyloc", "study", "run", str(tmp_path / "study.toml"), *options],
        stderr=subprocess.PIPE, text=True, cwd=repository, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    until = time.monotonic() + 90
    while not list(tmp_path.glob("work/long/*/resume.pt")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    workers = _below(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; run the same command again to continue" in told and "Traceback" not in told
    assert len(workers) > 2 and not [pid for pid in workers if _alive(pid)]
    assert not list(tmp_path.glob("results/**/*.json"))


def _below(pid: int) -> list[int]:
    """Descendants of a process."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *_below(int(child))]
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- machines ---


def test_machines_that_differ_are_told_in_one_message(tmp_path: Path) -> None:
    here = Machine("here", "3.11.7", "0.1.0 (aa)", True, True)
    there = Machine("there", "3.12.1", "0.1.0 (bb)", False, False)
    told = "; ".join(compared(there, here, "machine there"))
    assert "machine there runs Python 3.12.1, this one 3.11.7" in told
    assert "has tinyloc 0.1.0 (bb), this one 0.1.0 (aa)" in told and "install the same commit" in told
    assert "does not see the work directory" in told and "no arm-none-eabi-gcc" in told
    assert compared(look(str(tmp_path)), look(None), "this") == [
        "this does not see the work directory; put --work on a file system that all machines have at the same path"
    ]
    assert code() == look(None).tinyloc


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with (
        pytest.raises(ClusterError, match=f"no Ray cluster answers at '{address}'.*ray start --head"),
        cluster(address),
    ):
        pass


def test_a_cluster_of_another_ray_or_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.12.1")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr("tinyloc.study.cluster._knock", lambda address: None)
    told = r"do not go together: .*Ray: 2.50.0 Python: 3.12.1.*Install the same"
    with pytest.raises(ClusterError, match=told), cluster("10.0.0.1:6379"):
        pass
