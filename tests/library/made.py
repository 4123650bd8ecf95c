"""Libraries of the zoo that several tests look at, made once, and programs that link them."""

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinyloc.codegen.library.fusion import from_fusion
from tinyloc.codegen.library.layout import library_files
from tinyloc.codegen.library.model import LibraryModel, from_bundle
from tinyloc.device.image.library_sizes import WARNINGS, write_files
from tinyloc.paths import CLONE_DIR, ZOO_DIR
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.simulation.sites import site
from tinyloc.training.fusion.students.student_files import load_student

FUSION = CLONE_DIR / "results" / "fusion"
SECTIONS = ("-ffunction-sections", "-fdata-sections")


@functools.cache
def zoo_model(model: str, name: str | None = None) -> LibraryModel:
    """A model of the zoo as a library; its name in C is its own without dashes."""
    return from_bundle(ZOO_DIR / model, name or model.replace("-", "_"), model)


@functools.cache
def fusion_model(name: str = "walk") -> LibraryModel:
    """The fusion of the study's loop, with settings as they come."""
    student = load_student(FUSION / "loop-student.json")
    return from_fusion(student, FilterSettings(rule="variance"), site("loop").anchors, name, "fusion:loop")


def written(directory: Path, models: Sequence[LibraryModel]) -> Path:
    """The library of these models in a new directory below `directory`."""
    out = directory / "_".join(model.name for model in models)
    write_files(out, library_files(models))
    return out


def objects(
    library: Path, work: Path, options: Sequence[str] = ("-std=c99", "-O1"), compiler: str = "gcc"
) -> list[Path]:
    """Every source of a library, compiled with all warnings as errors."""
    work.mkdir(parents=True, exist_ok=True)
    sources = sorted((library / "src").glob("*.c"))
    command = [compiler, *options, *WARNINGS, *SECTIONS, "-c", *map(str, sources)]
    _run(command, work)
    return [work / f"{source.stem}.o" for source in sources]


def linked(program: Path, work: Path, libraries: Sequence[Path], parts: Sequence[Path]) -> Path:
    """A C++17 program, compiled with all warnings as errors and linked with object files of libraries."""
    binary = work / program.stem
    includes = [f"-I{library / 'include'}" for library in libraries]
    command = ["g++", "-std=c++17", "-O1", *WARNINGS, *includes, str(program), *map(str, parts)]
    _run([*command, "-Wl,--gc-sections", "-o", str(binary)], work)
    return binary


def output_of(binary: Path) -> str:
    """What a program prints."""
    return subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout


def _run(command: Sequence[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
