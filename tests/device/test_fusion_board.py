"""The fusion on emulated cores: the same positions as on the host, within its cycles, flash and memory."""

from pathlib import Path

import numpy as np
import pytest
from fusion_board import run_on
from fusion_host import HostFusion

from tinyloc.training.fusion.batch import K_DEFAULT
from tinyloc.training.fusion.settings import FilterSettings
from tinyloc.training.fusion.simulate import simulate
from tinyloc.training.fusion.sites import LOOP
from tinyloc.training.fusion.storage import load_student

RESULTS = Path(__file__).resolve().parents[2] / "results" / "fusion"
MOST_CYCLES = {"cortex-m4f": 60_000, "cortex-m3": 260_000}


@pytest.mark.parametrize("core", MOST_CYCLES)
def test_a_walk_on_the_core(core: str, tmp_path: Path) -> None:
    walk, student = simulate(LOOP, 3), load_student(RESULTS / "loop-student.json")
    settings = FilterSettings(rule="variance", pull=0.1)
    costs = run_on(core, tmp_path, student, settings, walk, K_DEFAULT, 6.0)
    assert max(run.cycles for run in costs.ranges) <= MOST_CYCLES[core]
    assert costs.flash_bytes <= 16 * 1024
    assert costs.ram_bytes + costs.stack_bytes <= 3 * 1024
    host = HostFusion(tmp_path, student, settings, walk.anchors_m, K_DEFAULT, walk.start_heading)
    found = host.walk(walk)[: len(costs.positions)]
    assert np.array_equal(found[:, 0], costs.positions[:, 0])
    assert np.abs(found[:, 1:3] - costs.positions[:, 1:]).max() < 2e-3
