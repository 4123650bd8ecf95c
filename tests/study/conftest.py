"""One Ray for all tests of studies and searches."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Ray on this machine with two tasks at a time, until the session ends."""
    from tinyloc.study.cluster import cluster

    with cluster(cpus=2):
        yield
