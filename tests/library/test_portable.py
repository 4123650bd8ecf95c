"""A library compiles without a warning as C99 and C11, its header as C++17, by three compilers at every level."""

import itertools
import re
import shutil
import subprocess

import pytest

from tests.library.made import fusion_model, objects, written, zoo_model
from tinyloc.device.image.library_sizes import WARNINGS

M4, M3 = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"), ("-mcpu=cortex-m3", "-mthumb")
COMPILERS = {
    "gcc": ("gcc",),
    "clang": ("clang",),
    "arm-gcc-m4": ("arm-none-eabi-gcc", *M4, "-ffreestanding"),
    "arm-gcc-m3": ("arm-none-eabi-gcc", *M3, "-ffreestanding"),
    "arm-clang-m4": ("clang", "--target=thumbv7em-none-eabihf", "-mcpu=cortex-m4", "-ffreestanding"),
    "arm-clang-m3": ("clang", "--target=thumbv7m-none-eabi", "-mcpu=cortex-m3", "-ffreestanding"),
}
LEVELS = ("O0", "O1", "O2", "O3", "Os")
PRESENT = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(command[0]) is None, reason=f"no {command[0]}"))
    for name, command in COMPILERS.items()
]
SPARSE, STATEFUL = "uji", "ble-flat"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """One with lists, one with state and inline assembly, and the fusion."""
    return written(tmp_path_factory.mktemp("portable"), [zoo_model(SPARSE), zoo_model(STATEFUL), fusion_model()])


@pytest.mark.parametrize("compiler", PRESENT)
@pytest.mark.parametrize("options", [("-std=c99", "-O0"), ("-std=c11", "-O2")], ids=" ".join)
def test_sources_compile(libraries, tmp_path, compiler, options):
    first, *more = COMPILERS[compiler]
    objects(libraries, tmp_path, [*options, *more], first)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", PRESENT)
@pytest.mark.parametrize(("standard", "level"), itertools.product(("c99", "c11"), LEVELS))
def test_sources_compile_at_every_level(libraries, tmp_path, compiler, standard, level):
    first, *more = COMPILERS[compiler]
    objects(libraries, tmp_path, [f"-std={standard}", f"-{level}", *more], first)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["house-a", "house-b", "uji-position", "ble-tracks", "movementaal"])
@pytest.mark.parametrize("compiler", ["gcc", "arm-gcc-m4", "arm-clang-m3"])
def test_other_models_compile(tmp_path, model, compiler):
    first, *more = COMPILERS[compiler]
    objects(written(tmp_path, [zoo_model(model)]), tmp_path / "o", ["-std=c99", "-O0", *more], first)


@pytest.mark.parametrize("compiler", [name for name in ("g++", "clang++") if shutil.which(name)])
@pytest.mark.parametrize("standard", ["c++17", "c++11"])
def test_headers_are_cpp(libraries, tmp_path, compiler, standard):
    names = [SPARSE, STATEFUL.replace("-", "_"), "walk"]
    (tmp_path / "all.cpp").write_text("".join(f'#include "{name}.h"\n#include "{name}.h"\n' for name in names))
    subprocess.run(
        [compiler, f"-std={standard}", *WARNINGS, f"-I{libraries / 'include'}", "-fsyntax-only", "all.cpp"],
        cwd=tmp_path,
        check=True,
    )


def test_nothing_is_written_or_called_but_what_is_promised(libraries, tmp_path):
    """No static data that is written; of other code memcpy, memset and the compiler's own arithmetic only."""
    parts = objects(libraries, tmp_path, ["-std=c99", "-O2", *M3, "-ffreestanding"], "arm-none-eabi-gcc")
    table = subprocess.run(["arm-none-eabi-nm", *map(str, parts)], capture_output=True, text=True, check=True).stdout
    symbols = re.findall(r"^[0-9a-f ]{8} (\w) (\S+)$", table, re.M)
    assert symbols and not [name for kind, name in symbols if kind in "dDbBcC"]
    defined = {name for kind, name in symbols if kind != "U"}
    missing = {name for kind, name in symbols if kind == "U"} - defined
    assert {name for name in missing if not name.startswith("__aeabi_")} <= {"memcpy", "memset"}


def test_every_name_of_the_outside_carries_the_models(libraries, tmp_path):
    parts = objects(libraries, tmp_path)
    table = subprocess.run(["nm", *map(str, parts)], capture_output=True, text=True, check=True).stdout
    strong = set(re.findall(r"^[0-9a-f]+ [TRDB] (\S+)$", table, re.M))
    weak = set(re.findall(r"^[0-9a-f]+ W (\S+)$", table, re.M))
    names = ("uji_", "ble_flat_", "walk_")
    assert strong and all(symbol.startswith(names) for symbol in strong)
    assert weak and [symbol for symbol in weak if not re.fullmatch(r"tl_\w+_[0-9a-f]{8}", symbol)] == []
    for name in ("uji", "ble_flat", "walk"):
        header = (libraries / "include" / f"{name}.h").read_text()
        macros = set(re.findall(r"^#define (\w+)", header, re.M))
        types = set(re.findall(r"^\}? ?(?:typedef .*)?\b(\w+_t);", header, re.M))
        assert macros and all(macro.startswith(f"{name.upper()}_") for macro in macros)
        assert types and all(kind.startswith(f"{name}_") for kind in types)


def test_each_file_tells_its_licence_and_who_made_it(libraries):
    for path in [*libraries.rglob("*.[ch]"), *libraries.rglob("*.ld")]:
        assert path.read_text().startswith("/* SPDX-License-Identifier: Apache-2.0\n * tinyloc "), path
    build_files = [path for kind in ("CMakeLists.txt", "*.cmake", "Kconfig", "*.yml") for path in libraries.rglob(kind)]
    assert len(build_files) >= 5
    for path in build_files:
        assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n# tinyloc "), path


def test_memory_functions_can_be_ones_own(libraries, tmp_path):
    options = ["-std=c99", "-O0", "-DTL_MEMCPY=own_copy", "-DTL_MEMSET=own_set"]
    table = subprocess.run(
        ["nm", *map(str, objects(libraries, tmp_path, options))], capture_output=True, text=True, check=True
    ).stdout
    missing = set(re.findall(r" U (\S+)$", table, re.M))
    assert {"own_copy", "own_set"} <= missing and not missing & {"memcpy", "memset"}
