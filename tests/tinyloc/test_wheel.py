"""The wheel holds everything that works outside the clone."""

import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def parts(repository: Path) -> set[str]:
    """The top-level folders that tinyloc/ links to."""
    return {path.name for path in (repository / "tinyloc").iterdir() if path.is_symlink()}


def tracked(repository: Path) -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(listed, cwd=repository, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def source(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would check out, without the tests."""
    place = tmp_path_factory.mktemp("source")
    for name in tracked(repository):
        path = repository / name
        if (path.is_file() or path.is_symlink()) and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / name, follow_symlinks=False)
    return place


def built_wheel(source: Path, out: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)], check=True)
    (built,) = out.glob("tinyloc-*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return built_wheel(source, source / "dist")


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path, repository: Path) -> None:
    content = set(zipfile.ZipFile(wheel).namelist())
    expected = []
    for name in tracked(repository):
        top, _, rest = name.partition("/")
        if top == "tinyloc" and not (repository / name).is_symlink():
            expected.append(name)
        elif top in parts(repository) and not rest.endswith(".md") and not (repository / name).is_symlink():
            expected.append(f"tinyloc/{name}")
    assert len(expected) > 50
    assert not [name for name in expected if name not in content]


@pytest.mark.parametrize(
    "name",
    [
        "tinyloc/py.typed",
        "tinyloc/boards/stm32l4/board.toml",
        "tinyloc/boards/stm32l4/stm32l4.ld",
        "tinyloc/firmware/port/port.h",
        "tinyloc/firmware/app/main.c",
        "tinyloc/device/report/templates/style.css",
        "tinyloc/device/report/templates/report.html.j2",
        "tinyloc/training/recipes/house-a-mamba.toml",
        "tinyloc/training/fusion/results/room-student.json",
        "tinyloc/survey/page/banners.js",
        "tinyloc/renode/stm32l4.robot",
    ],
)
def test_what_is_read_as_data_is_in_the_wheel(wheel: Path, name: str) -> None:
    assert name in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_no_links(wheel: Path) -> None:
    modes = {entry.filename: entry.external_attr >> 16 for entry in zipfile.ZipFile(wheel).infolist()}
    assert not [name for name, mode in modes.items() if stat.S_ISLNK(mode)]


@pytest.mark.slow
def test_a_wheel_from_the_source_distribution_holds_the_same_files(source: Path, wheel: Path, tmp_path: Path) -> None:
    make = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", make, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (archive,) = tmp_path.glob("tinyloc-*.tar.gz")
    other = built_wheel(archive, tmp_path / "dist")
    assert set(zipfile.ZipFile(other).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_no_tests(wheel: Path) -> None:
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "tests/" in name or name.startswith("test")]


def package_files(package: Path) -> dict[str, int]:
    """Name -> time of the last change (ns), without what Python caches."""
    found = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path): path.stat().st_mtime_ns for path in found}


@pytest.mark.slow
def test_the_installed_wheel_works_outside_the_clone(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", str(wheel)], check=True)
    program = str(place / "bin" / "tinyloc")
    (package,) = place.glob("lib/python*/site-packages/tinyloc")
    before = package_files(package)
    for arguments in (["--help"], ["board", "list"], ["recipes"], ["data", "describe", "house-a"]):
        done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.strip(), (arguments, done.stderr)
    code = (
        "from tinyloc.boards import load_board; from tinyloc.device.image import build; "
        "print(build.firmware_sources(load_board('stm32l4'))[0])"
    )
    done = subprocess.run([str(place / "bin" / "python"), "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(place) in done.stdout
    if shutil.which("arm-none-eabi-gcc"):
        for arguments in (
            ["emulate", "zoo:uji"],
            ["renode", "zoo:uji", "--prepare"],
            ["library", "zoo:uji", "--out", "lib"],
        ):
            done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, (arguments, done.stderr)
    refused = subprocess.run(
        [program, "board", "new", "mine", "--part", "X1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "in a clone of the repository" in refused.stderr
    assert package_files(package) == before, "nothing is written into the installed package"
