"""The interpreter, the checkout and the installed extras. An older Python reads this file too, to refuse itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 13)
"""Interpreters that tinyloc was tested with, both included."""
PACKAGE = Path(__file__).resolve().parent
PINNED_ARITHMETIC = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Environment of the libraries that train. Each picks kernels by the processor, and they sum in another order: without
this, the same seed gives other weights on another machine. On processors other than x86-64 they do nothing."""
EXTRA_OF_MODULE = {
    "torch": "train",
    "torchcrf": "train",
    "matplotlib": "study",
    "onnx": "export",
    "onnx2tf": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "onnxsim": "export",
    "ai_edge_litert": "export",
    "tensorflow": "keras",
    "tf_keras": "keras",
    "transformers": "llm",
    "ray": "study",
    "optuna": "study",
    "psycopg": "study",
    "cyclonedx": "sbom",
    "starlette": "survey",
    "uvicorn": "survey",
    "websockets": "survey",
}
"""Modules that only an extra of pyproject.toml installs."""
ONNX2TF = "onnx2tf==2.6.9"
"""It asks for Python 3.12, but also runs on Python 3.11, where the extra leaves it out."""


def version() -> str:
    """Give the version of the checkout or of the installed package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    project = PACKAGE.parent / "pyproject.toml"
    if project.is_file():  # a checkout, installed or not, goes before another tinyloc in the environment
        import tomllib

        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    try:
        return installed("tinyloc")
    except PackageNotFoundError:
        return "unknown"


def pin_arithmetic() -> None:
    """Let PyTorch's libraries choose the same kernels on every x86-64 machine. What the user has set stays.

    The libraries read the environment when they begin: call it before torch is imported.
    """
    for name, value in PINNED_ARITHMETIC.items():
        os.environ.setdefault(name, value)


def start_problem(version: tuple[int, int] = sys.version_info[:2], package: Path = PACKAGE) -> str | None:
    """Find what keeps tinyloc from starting here.

    Args:
        version: Major and minor version of the interpreter.
        package: Directory of the package `tinyloc`.

    Returns:
        One line that says what was found and what to do, or None.
    """
    if not OLDEST <= version <= NEWEST:
        found, oldest, newest = (".".join(map(str, one)) for one in (version, OLDEST, NEWEST))
        return f"tinyloc runs on Python {oldest} to {newest}; {sys.executable} is Python {found}"
    for entry in sorted(package.iterdir()):
        if entry.is_file() and not entry.suffix and entry.read_bytes().startswith(b"../"):
            return (
                f"{entry} is a text file in place of a symbolic link. Run `git config core.symlinks true` and "
                "`git checkout -- tinyloc` in the clone; on Windows, switch on the developer mode first"
            )
    return None


def missing_module(module: str, package: Path = PACKAGE) -> str | None:
    """Name the pip command that installs a missing module.

    Args:
        module: Dotted name of the module.
        package: Directory of the package `tinyloc`. Beside a pyproject.toml it belongs to a clone, else to a wheel.

    Returns:
        One line with the command, or None when no extra of tinyloc installs the module.
    """
    extra = EXTRA_OF_MODULE.get(module.split(".")[0])
    if extra is None:
        return None
    command = f"`{install_command(extra, package)}`"
    if module == "onnx2tf" and sys.version_info < (3, 12):
        command += f" and `{sys.executable} -m pip install --no-deps --ignore-requires-python {ONNX2TF}`"
    return f"this command needs {module}, which is not installed; run {command}"


def install_command(extra: str, package: Path = PACKAGE) -> str:
    """Give the pip command that installs an extra into this interpreter, for a clone or for a wheel."""
    in_clone = (package.parent / "pyproject.toml").is_file()
    wanted = f'-e "{package.parent}[{extra}]"' if in_clone else f'"tinyloc[{extra}]"'
    return f"{sys.executable} -m pip install {wanted}"
