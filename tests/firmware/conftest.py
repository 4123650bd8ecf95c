"""The helpers of this directory are imported by name; pytest's importlib mode does not put them on the path."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.firmware.fake_model import FakeModel
    from tests.firmware.host_device import HostDevice

DeviceFactory = Callable[["FakeModel"], "HostDevice"]


@pytest.fixture(scope="session")
def make_device(tmp_path_factory: pytest.TempPathFactory) -> DeviceFactory:
    """A device on the host that runs a fake model, freshly started. Each variant is compiled once."""
    from tests.firmware.host_device import HostDevice, compile_host

    directory = tmp_path_factory.mktemp("devices")
    compiled: dict[FakeModel, Path] = {}
    count = 0

    def make(model: "FakeModel") -> "HostDevice":
        nonlocal count
        count += 1
        if model not in compiled:
            generated = model.write(directory / f"generated{count}")
            compiled[model] = compile_host(generated, directory / f"compiled{count}.so")
        own = directory / f"device{count}.so"  # a library that is loaded twice would share its variables
        shutil.copyfile(compiled[model], own)
        return HostDevice(own)

    return make
