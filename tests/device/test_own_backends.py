"""Bundles of own networks through the other back ends: each device equals the reference of its back end."""

import importlib.util
import shutil

import pytest

from tests.api.test_own_network import T, made
from tests.libraries import MISSING, users_directory
from tests.own_networks import Mlp, Tcn, taught
from tinyloc import Bundle

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    root = tmp_path_factory.mktemp("own")
    return {"tcn": made(taught(Tcn, T), root / "tcn", input={"samples": T}), "mlp": made(taught(Mlp), root / "mlp")}


@pytest.mark.parametrize("name", ["tcn", "mlp"])
def test_cmsis_nn_runs_an_own_network(name: str, bundles: dict[str, Bundle]) -> None:
    users_directory("CMSIS_NN_DIR")
    _equals_its_reference(bundles[name], "cmsis_nn")


@pytest.mark.parametrize("name", ["tcn", "mlp"])
def test_tflm_runs_an_own_network(name: str, bundles: dict[str, Bundle]) -> None:
    users_directory("TFLM_DIR")
    if importlib.util.find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    _equals_its_reference(bundles[name], "tflm")


def _equals_its_reference(bundle: Bundle, backend: str) -> None:
    found = bundle.build(board="stm32l4", backend=backend).emulate(measured=2)
    assert (found.record.backend, found.record.mismatches, found.record.samples) == (backend, 0, 200)
    assert found.macro_f1 > 0.6
