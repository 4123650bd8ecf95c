"""The directory of a library: every file and its text, and how it is written.

include/NAME.h  src/  CMakeLists.txt  zephyr/  library.json  library.properties
examples/{host,bare_metal,ble_scan}  test/  README.md  LICENSE  NAME.json
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tinyloc.boards import load_board
from tinyloc.codegen.library.about import about
from tinyloc.codegen.library.c_names import check_names
from tinyloc.codegen.library.examples import BOARDS, board_values, calls, fixed_values
from tinyloc.codegen.library.kernels import library_kernels
from tinyloc.codegen.library.model import LICENCE, MARK, PACKAGE, LibraryModel
from tinyloc.codegen.library.namespace import Namespace
from tinyloc.codegen.lowering.render import render
from tinyloc.errors import UserError
from tinyloc.files import whole_directory

FORMAT = "tinyloc-library"
BARE = "examples/bare_metal"
Sizes = Mapping[str, Mapping[str, Any]]
"""Model -> board -> figures, see device/image/library_sizes.py."""


class OutputError(UserError):
    """An output directory that holds other files than a library."""


def library_files(models: Sequence[LibraryModel], sizes: Sizes | None = None) -> dict[str, str]:
    """Make the texts of a library by path. README, header and JSON file state `sizes`.

    Raises ModelNameError for names that cannot be together.
    """
    check_names([model.name for model in models])
    files: dict[str, str] = {}
    for model in models:
        figures = (sizes or {}).get(model.name, {})
        files[f"include/{model.name}.h"] = model.header.replace(MARK, about(model, figures))
        files[f"src/{model.name}.h"] = f'{LICENCE}\n#include "../include/{model.name}.h"\n'
        files[f"src/{model.name}_internal.h"] = model.internal
        files |= {f"src/{file}": text for file, text in model.sources.items()}
        files[f"{model.name}.json"] = json.dumps(_record(model, figures), indent=1) + "\n"
    kernels = library_kernels([text for model in models for text in model.sources.values()], LICENCE)
    files |= {f"src/kernels/{file}": text for file, text in kernels.items()}
    files |= _templates(models, sizes or {})
    files["LICENSE"] = (Path(__file__).parent / "templates" / "LICENSE").read_text(encoding="utf-8")
    listed = sorted([*files])
    for model in models:
        record = json.loads(files[f"{model.name}.json"])
        files[f"{model.name}.json"] = json.dumps(record | {"files": listed}, indent=1) + "\n"
    return files


def write_library(out: Path, files: Mapping[str, str]) -> None:
    """Write all files into `out`, whole or not at all; an earlier library there is replaced.

    Raises OutputError when `out` holds anything that no library of tinyloc brought.
    """
    check_output(out)
    with whole_directory(out) as directory:
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")


def check_output(out: Path) -> None:
    """Raise OutputError when a library cannot be written there."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give a directory with --out")
    if not out.is_dir():
        return
    have = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
    ours: set[str] = set()
    for path in out.glob("*.json"):
        ours |= _listed(path)
    others = sorted(have - ours)
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise OutputError(
            f"{out} holds files that are no library's of tinyloc: {others[0]}{more}; nothing was touched: give another "
            "directory with --out, or empty this one"
        )


def _listed(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return set()
    return {str(file) for file in content.get("files", [])}


def _record(model: LibraryModel, figures: Mapping[str, Any]) -> dict[str, Any]:
    golden = model.golden
    return {
        "format": FORMAT,
        "generator": f"tinyloc {version('tinyloc')}",
        "name": model.name,
        "title": model.title,
        "kind": model.kind,
        **model.facts,
        "sizes": figures,
        "golden": {
            "checks": [Namespace(model.name).apply(check) for check in golden.names],
            "crc32": [[f"{value:08x}" for value in row] for row in golden.checks],
            "samples": [
                {"index": scan.indices, "dbm": scan.dbm, "decision": scan.decision, "scores": scan.scores}
                for scan in golden.scans
            ],
            "outputs": golden.outputs,
        },
    }


def _templates(models: Sequence[LibraryModel], sizes: Sizes) -> dict[str, str]:
    boards = [load_board(name) for name in BOARDS]
    scanning = next((model for model in models if model.kind == "localiser"), None)
    described = [
        {
            "name": model.name,
            "title": model.title,
            "kind": model.kind,
            "sources": sorted(model.sources),
            "calls": calls(model),
            "facts": model.facts,
            "sizes": sizes.get(model.name, {}),
            "sentence": sentence(model),
        }
        for model in models
    ]
    package = "_".join(model.name for model in models)
    values: dict[str, Any] = {
        "models": described,
        "package": package,
        "version": "1.0.0",
        "generator": f"tinyloc {version('tinyloc')}",
        "scanning": scanning,
        "boards": [board_values(board) for board in boards],
        "fixed": fixed_values(boards),
        "sentence": "; ".join(sentence(model) for model in models),
    }
    templates = {
        "CMakeLists.txt": "CMakeLists.txt.j2",
        "README.md": "README.md.j2",
        "library.properties": "library.properties.j2",
        "zephyr/module.yml": "zephyr_module.yml.j2",
        "zephyr/CMakeLists.txt": "zephyr_cmake.txt.j2",
        "zephyr/Kconfig": "zephyr_kconfig.j2",
        "test/selftest.c": "selftest_main.c.j2",
        "examples/host/main.c": "host_main.c.j2",
        f"{BARE}/main.c": "bare_main.c.j2",
        f"{BARE}/startup.c": "startup.c.j2",
        f"{BARE}/arm-none-eabi.cmake": "toolchain.cmake.j2",
        f"{BARE}/CMakeLists.txt": "bare_cmake.txt.j2",
    }
    files = render(templates, values, PACKAGE)
    for board in boards:
        files[f"{BARE}/{board.name}.ld"] = render({"": "board.ld.j2"}, board_values(board), PACKAGE)[""]
    if scanning is not None:
        access_points = scanning.facts["access_points"]
        scans = [
            list(reversed([(access_points[i], dbm) for i, dbm in zip(scan.indices, scan.dbm, strict=True)]))
            for scan in scanning.golden.scans
        ]
        more = {
            "name": scanning.name,
            "upper": scanning.name.upper(),
            "rate": f"{scanning.facts['window']['rate_hz']:g}",
            "scans": scans,
        }
        ble = {"main.c": "ble_main.c.j2", "radio.h": "radio.h.j2", "simulated_radio.c": "simulated_radio.c.j2"}
        files |= {f"examples/ble_scan/{name}": text for name, text in render(ble, more, PACKAGE).items()}
    files = {name: f"{LICENCE}\n{text}" if name.endswith((".c", ".h", ".ld")) else text for name, text in files.items()}
    files["library.json"] = json.dumps(_platformio(models, package, values["sentence"]), indent=2) + "\n"
    return files


def _platformio(models: Sequence[LibraryModel], package: str, text: str) -> dict[str, Any]:
    return {
        "name": package.replace("_", "-")[:50].strip("-"),
        "version": "1.0.0",
        "description": text[:255],
        "keywords": ["localisation", "tinyml", "ble"],
        "license": "Apache-2.0",
        "headers": [f"{model.name}.h" for model in models],
        "frameworks": "*",
        "platforms": "*",
        "build": {"srcDir": "src", "includeDir": "include", "flags": ["-ffunction-sections", "-fdata-sections"]},
    }


def sentence(model: LibraryModel) -> str:
    """One line on what a model does."""
    if model.kind == "localiser":
        areas, points = len(model.facts["classes"]), len(model.facts["access_points"])
        return f"Tells {areas} areas apart by the signal strengths of {points} access points"
    if model.kind == "fusion":
        return "Fuses UWB ranges and dead reckoning to a position"
    return "A quantised neural network"


__all__ = ["FORMAT", "OutputError", "check_output", "library_files", "sentence", "write_library"]
