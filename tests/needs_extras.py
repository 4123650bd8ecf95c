"""Tests of a base installation: with TINYLOC_BASE_TESTS=1, what imports a package of an extra is skipped.

Without the variable, as in `make test`, a missing package is an error: nothing is left out there by accident.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest

EXTRAS = {
    "torch": "train", "torchcrf": "train", "matplotlib": "train", "onnx": "export", "onnxruntime": "export",
    "onnx2tf": "export", "onnxscript": "export", "tensorflow": "export", "tf_keras": "export", "transformers": "llm",
    "ray": "study", "optuna": "study", "psycopg": "study",
    "starlette": "survey", "uvicorn": "survey", "websockets": "survey", "playwright": "dev",
}  # fmt: skip
"""Package -> the extra of pyproject.toml that installs it."""
MODULE = re.compile(r"No module named '(\w+)")


class _ModuleOfExtras(pytest.Module):
    def _getobj(self) -> Any:
        try:
            return super()._getobj()
        except self.CollectError as error:
            missing = MODULE.search(str(error))
            if missing is None or missing[1] not in EXTRAS:
                raise
            reason = f"needs {missing[1]} of the extra {EXTRAS[missing[1]]}"
            raise pytest.skip.Exception(reason, allow_module_level=True) from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A test that imports such a package while it runs is skipped too."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if _base_only() and isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in EXTRAS:
        report.outcome = "skipped"
        package = str(error.name).split(".")[0]
        report.longrepr = (str(item.path), 0, f"Skipped: needs {package} of the extra {EXTRAS[package]}")
    return report


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect test modules so that a missing package of an extra is a skip."""
    return _ModuleOfExtras.from_parent(parent, path=module_path) if _base_only() else None


def _base_only() -> bool:
    return os.environ.get("TINYLOC_BASE_TESTS") == "1"
