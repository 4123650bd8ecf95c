"""Teachers and students judged as the source judges: ATE RMSE of the next of eleven positions."""

import numpy as np

from tinyloc.training.fusion.simulation.buildings import building
from tinyloc.training.fusion.simulation.field import simulate_field
from tinyloc.training.fusion.simulation.range_errors import load_errors
from tinyloc.training.fusion.students.windows import Windows, cut

TRAJECTORIES, TRAIN_WINDOWS, TEST_WINDOWS = 11, 6_000, 1_000
"""As published."""
STOPS = 9
TRAIN_BUILDING, TEST_BUILDING = 500, 600
"""First seeds; a walk each, so buildings, people and routes of the test are new."""


def training_windows(trajectories: int = TRAJECTORIES) -> Windows:
    """Windows of the training walks."""
    errors = load_errors()
    walks = [simulate_field(building(TRAIN_BUILDING + n), n, errors, STOPS).walk for n in range(trajectories)]
    return cut(walks, TRAIN_WINDOWS)


def test_windows() -> Windows:
    """Windows of as many other walks in other buildings."""
    errors = load_errors()
    walks = [simulate_field(building(TEST_BUILDING + n), n, errors, STOPS).walk for n in range(TRAJECTORIES)]
    return cut(walks, TEST_WINDOWS)


def examples(windows: Windows, count: int) -> Windows:
    """Worked examples of a prompt, evenly from the training windows."""
    return windows.pick(np.linspace(0, len(windows) - 1, count + 2).astype(np.int64)[1:-1])
