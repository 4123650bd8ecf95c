"""Libraries that are not ours, for the tests of the back ends: the user's own builds, and a subset from PyPI.

Where one is missing, its tests are skipped. tests/conftest.py counts the skips by reason at the end of a run.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tinyloc.codegen.backends.archive import Core

BAKENN = "bakenn==1.0.0"
VENDOR = Path("bakenn/backend/cmsis_nn/vendor")
MISSING = "missing library: "
"""How the reason of such a skip begins."""
FLAGS: dict[Core, list[str]] = {
    "cortex-m4f": ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "cortex-m3": ["-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"],
}


def users_directory(variable: str) -> Path:
    """The user's own build, or a skip."""
    if not os.environ.get(variable):
        pytest.skip(f"{MISSING}{variable} is not set")
    return Path(os.environ[variable])


def bakenn_sources(cache: Path) -> Path:
    """The CMSIS-NN subset in the package bakenn, as it is. Kept in `cache`; a skip when PyPI is out of reach."""
    wheels = list(cache.glob("*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--timeout", "10", "--retries", "1"]
        done = subprocess.run([*command, "-d", str(cache), BAKENN], capture_output=True, text=True, check=False)
        wheels = list(cache.glob("*.whl"))
        if done.returncode or not wheels:
            pytest.skip(f"{MISSING}{BAKENN} with its part of CMSIS-NN cannot be downloaded")
    content = cache / "content"
    if not content.is_dir():
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(content, [name for name in wheel.namelist() if name.startswith(VENDOR.as_posix())])
    return content / VENDOR


def build_archive(sources: Path, directory: Path, core: Core) -> Path:
    """Compile the subset into `directory`, laid out as CMSIS_NN_DIR wants it."""
    (directory / "Include").symlink_to(sources / "cmsis_nn" / "Include")
    objects = directory / "objects"
    objects.mkdir()
    files = sorted(map(str, (sources / "cmsis_nn" / "Source").rglob("*.c")))
    headers = [f"-I{sources / 'cmsis_nn' / 'Include'}", f"-I{core_headers(sources)}"]
    flags = [*FLAGS[core], "-O2", "-w", "-ffunction-sections"]
    subprocess.run(["arm-none-eabi-gcc", *flags, *headers, "-c", *files], cwd=objects, check=True)
    built = sorted(map(str, objects.glob("*.o")))
    subprocess.run(["arm-none-eabi-ar", "rcsD", str(directory / "libcmsis-nn.a"), *built], check=True)
    return directory


def core_headers(sources: Path) -> Path:
    """CMSIS-Core's headers, which this version of the library includes."""
    return sources / "cmsis_core" / "Include"
