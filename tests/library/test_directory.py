"""The directory: built by CMake and ctest, found by find_package, bare on three boards, manifests, refusals."""

import json
import re
import shutil
import subprocess

import pytest

from tests.library.made import fusion_model, objects, output_of, written, zoo_model
from tinyloc.boards import load_board
from tinyloc.codegen.library.examples import BOARDS
from tinyloc.codegen.library.layout import OutputError, library_files, write_library
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.image.footprint import read_symbols
from tinyloc.device.image.library_sizes import build_bare, measure, run_bare
from tinyloc.main import main

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake on this machine")


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """A model with state and the fusion, in one library."""
    return written(tmp_path_factory.mktemp("hall"), [zoo_model("ble-flat", "hall"), fusion_model()])


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@needs_cmake
def test_cmake_builds_it_and_ctest_runs_the_self_test(hall, tmp_path):
    _run("cmake", "-S", str(hall), "-B", str(tmp_path / "b"), f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'installed'}")
    _run("cmake", "--build", str(tmp_path / "b"))
    told = _run("ctest", "--test-dir", str(tmp_path / "b"))
    assert "100% tests passed, 0 tests failed out of 3" in told
    assert output_of(tmp_path / "b" / "selftest") == "hall: equal\nwalk: equal\n"
    _run("cmake", "--install", str(tmp_path / "b"))
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.cpp").write_text('#include "hall.h"\nstatic hall_t c;\nint main() { hall_init(&c); return 0; }\n')
    (app / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app LANGUAGES C CXX)\nfind_package(hall REQUIRED)\n"
        "find_package(walk REQUIRED)\nadd_executable(app main.cpp)\n"
        "target_link_libraries(app PRIVATE hall::hall walk::walk)\n"
    )
    _run("cmake", "-S", str(app), "-B", str(app / "b"), f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}")
    _run("cmake", "--build", str(app / "b"))
    output_of(app / "b" / "app")


@needs_cmake
@pytest.mark.parametrize("board", BOARDS)
def test_the_bare_example_of_the_toolchain_file_passes_in_the_emulator(hall, tmp_path, board):
    bare = hall / "examples" / "bare_metal"
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={bare / 'arm-none-eabi.cmake'}"
    _run("cmake", "-S", str(bare), "-B", str(tmp_path), toolchain, f"-DBOARD={board}")
    _run("cmake", "--build", str(tmp_path))
    assert run_bare(tmp_path / "bare.elf", load_board(board)) == 0


def test_a_wrong_weight_is_found_in_its_layer_on_the_host_and_in_the_emulator(tmp_path):
    library = written(tmp_path, [zoo_model("ble-flat", "hall")])
    weights = library / "src" / "hall_weights.c"
    source = weights.read_text()
    array = source.index("hall_layer_07_fully_connected_weights[")
    number = re.compile(r"\n    (-?\d+),").search(source, array)
    weights.write_text(source[: number.start(1)] + str(int(number[1]) ^ 64) + source[number.end(1) :])
    parts = objects(library, tmp_path / "o")
    _run(
        "gcc",
        str(library / "test" / "selftest.c"),
        f"-I{library / 'include'}",
        *map(str, parts),
        "-o",
        str(tmp_path / "t"),
    )
    done = subprocess.run([str(tmp_path / "t")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "hall: sample 0 differs first in hall_layer_07_fully_connected\n")
    elf = build_bare(library, load_board("cc2650"), tmp_path / "bare")
    machine = Machine(elf, load_board("cc2650"))
    machine.run()
    symbols = machine.image.symbols
    assert machine.read_memory(symbols["outcome"], 4) == b"\1\0\0\0"
    size = next(symbol.size for symbol in read_symbols(elf) if symbol.name == "hall_work")
    told = int.from_bytes(machine.read_memory(symbols["hall_work"] + size - 4, 4), "little")  # the member `layer`
    name = zoo_model("ble-flat", "hall").facts["layers"][7]["name"].encode() + b"\0"
    assert machine.read_memory(told, len(name)) == name == b"hall_layer_07_fully_connected\0"


def test_figures_are_of_the_library_alone(hall):
    found = measure(zoo_model("ble-flat", "hall"), load_board("cc2650"))
    assert found.selftest == "equal"
    assert found.arena_bytes == 304 < found.context_bytes < 1400
    assert found.stack_bytes["hall_hear"] < 32 < found.stack_bytes["hall_end_scan"] <= found.largest_stack_bytes
    assert 4000 < found.code_bytes < 8000 < found.cycles
    files = library_files([zoo_model("ble-flat", "hall")], {"hall": {"cc2650": found.__dict__}})
    assert f"{found.stack_bytes['hall_hear']:,} on cortex-m3" in files["include/hall.h"]
    assert f"| cortex-m3 | {found.code_bytes} B |" in files["README.md"]
    assert json.loads(files["hall.json"])["sizes"]["cc2650"]["cycles"] == found.cycles


def test_the_json_file_has_the_golden_samples_that_are_compiled_in(hall):
    record = json.loads((hall / "hall.json").read_text())
    selftest = (hall / "src" / "hall_selftest.c").read_text()
    compiled = [
        value.lower() for value in re.findall(r"0x([0-9A-F]{8})u", selftest.split("golden_checks")[1].split("};")[0])
    ]
    assert compiled == [value for row in record["golden"]["crc32"] for value in row]
    readings = [
        (int(i), int(d))
        for i, d in re.findall(r"\{(\d+), (-?\d+)\}", selftest.split("golden_readings")[1].split("};")[0])
    ]
    assert readings == [pair for s in record["golden"]["samples"] for pair in zip(s["index"], s["dbm"], strict=True)]
    assert [s["decision"] for s in record["golden"]["samples"]].count(-1) < len(record["golden"]["samples"])


def test_platformio_manifest(hall):
    """Limits of PlatformIO's published schema, platformio/assets/schema/library.json."""
    manifest = json.loads((hall / "library.json").read_text())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", manifest["name"]) and len(manifest["name"]) <= 50
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert len(manifest["description"]) <= 255 and all(
        re.fullmatch(r"[a-z0-9-]+", word) for word in manifest["keywords"]
    )
    assert set(manifest) <= {
        "name",
        "version",
        "description",
        "keywords",
        "license",
        "headers",
        "frameworks",
        "platforms",
        "build",
    }
    assert set(manifest["build"]) <= {"srcDir", "includeDir", "flags"}
    assert all((hall / manifest["build"][key]).is_dir() for key in ("srcDir", "includeDir"))
    assert all((hall / "include" / header).is_file() for header in manifest["headers"])


def test_arduino_manifest(hall):
    """Required keys and values of the Arduino library specification, revision 2.2; headers lie in src/."""
    lines = (hall / "library.properties").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert set(values) >= {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
    }
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 _.-]{0,62}", values["name"])
    assert values["category"] == "Data Processing" and values["sentence"]
    assert all((hall / "src" / header).is_file() for header in values["includes"].split(","))


def test_zephyr_module_names_files_that_are_there(hall):
    """Keys as in Zephyr's documentation of modules: build.cmake is a directory, build.kconfig a file."""
    text = (hall / "zephyr" / "module.yml").read_text()
    module = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert module == "name: hall_walk\nbuild:\n  cmake: zephyr\n  kconfig: zephyr/Kconfig\n"
    listed = re.findall(
        r"\$\{CMAKE_CURRENT_LIST_DIR\}/\.\./src/(\S+)", (hall / "zephyr" / "CMakeLists.txt").read_text()
    )
    assert sorted(listed) == sorted(path.name for path in (hall / "src").glob("*.c"))


def test_a_directory_with_other_files_is_refused_and_not_touched(tmp_path):
    files = library_files([fusion_model()])
    out = tmp_path / "out"
    write_library(out, files)
    write_library(out, files)  # over a library
    (out / "mine.c").write_text("int mine;\n")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=r"mine\.c; nothing was touched"):
        write_library(out, files)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_command(tmp_path, capsys):
    out = tmp_path / "lib"
    assert (
        main(["library", "zoo:movementaal", "--name", "room", "--out", str(out), "--json", str(tmp_path / "x.json")])
        == 0
    )
    told = capsys.readouterr().out
    assert "room, cortex-m4f (stm32l4)" in told and "self-test equal" in told and "room::room" in told
    assert set(json.loads((tmp_path / "x.json").read_text())["sizes"]["room"]) == {"stm32l4", "cc2650"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zoo:uji", "--name", "1st"], "'1st' is no C identifier"),
        (["zoo:uji", "--name", "a", "--name", "b"], "--name is given 2 times for 1 model"),
        (["zoo:uji", "zoo:uji"], "two models have the name 'uji'"),
        (["fusion:moon"], "choose fusion:corridor or fusion:loop"),
        (["zoo:nothing"], "no model 'nothing' in the zoo"),
    ],
)
def test_bad_input_is_told_in_one_message(tmp_path, capsys, arguments, said):
    out = tmp_path / "lib"
    assert main(["library", *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("error:") == 1
    assert not out.exists()
