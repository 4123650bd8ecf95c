"""From generated C to a firmware image: compile and link the firmware with the model for a board.

The image is reproducible: the same sources, board and compiler give the same bytes wherever they lie.
"""

import dataclasses
import logging
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyloc import paths
from tinyloc.boards import Board, BoardError, FixedWords, Pin
from tinyloc.boards.fixed import ERASED, fixed_problems
from tinyloc.boards.parts import pin_place
from tinyloc.bundle.schema import sha256
from tinyloc.codegen.manifest import is_updatable, read_manifest
from tinyloc.device.emulator.families import port_directory
from tinyloc.device.emulator.image import load_image
from tinyloc.device.image.footprint import (
    flash_bytes,
    flash_content,
    largest_symbols_table,
    read_sections,
    read_symbols,
    static_ram_bytes,
)
from tinyloc.device.image.red_zones import checked_scripts
from tinyloc.device.image.stack import StackError, frames_of, stack_bound
from tinyloc.device.link.key import SharedKey
from tinyloc.errors import UserError
from tinyloc.files import whole_directory

GENERATED_FILES = ("model.h", "model.c", "weights.c")
DEBUG_FILE = "debug.c"
"""Takes the place of model.c, which it includes, in an image with checksums of the layers."""
KEY_STACK_BYTES = 1024
"""The least stack of an image with a key: hashes of constants and tags go deeper than small models."""
COMPILER = "arm-none-eabi-gcc"
CPP_COMPILER = "arm-none-eabi-g++"
BUILD_AGAIN = "make it again with `tinyloc build`"
INSTALL_HINT = "`apt install gcc-arm-none-eabi libnewlib-arm-none-eabi`"

LOGGER = logging.getLogger(__name__)
Optimise = Literal["Os", "O2"]

_LANGUAGE = ("-std=c11", "-ffreestanding", "-fno-common")
_CPP_LANGUAGE = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-common")
_WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdate-time")  # no date: the image is reproducible
_SECTIONS = ("-ffunction-sections", "-fdata-sections", "-fstack-usage", "-g")
_TRUE_CALLS = ("-fno-optimize-sibling-calls",)  # a profile or a crash report sees every caller; measured at no bytes
_TUNED = ("generated/", "firmware/localise/", "firmware/fusion/")  # what runs once a sample; the rest is for size
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")


class BuildError(UserError):
    """No compiler, no generated code, or an image that does not build; the message says what to do."""


class OverflowingImage(BuildError):
    """An image that is larger than the board's memories: `regions` has a line for each, `symbols` what takes it."""

    def __init__(self, regions: Sequence[str], symbols: Sequence[str]) -> None:
        self.regions = tuple(regions)
        tables = zip(regions, symbols, strict=True)
        super().__init__("\n".join(f"{region}. Use of the space:\n{table}" for region, table in tables))


@dataclass(frozen=True)
class Sizes:
    """Bytes of the image."""

    flash: int  # all that is written to flash
    static_ram: int  # .data and .bss with arena and state, without the stack
    stack_reserve: int  # what the linker script keeps for the stack


class BuildRecord(BaseModel):
    """build.json: what an image was made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    board: str
    part: str
    optimise: str
    debug_layers: bool = False  # answers LAYERS: another image than the plain one
    compiler: str
    model: str | None
    model_id: str | None
    elf_sha256: str
    sizes: Sizes
    stack_bound_bytes: int | None = None
    """The deepest chain of calls, see device/image/stack.py; None when there is no bound."""


@dataclass(frozen=True)
class BuildResult:
    """The files of a build, all in one directory."""

    elf: Path
    map: Path
    bin: Path
    sizes: Sizes


@dataclass(frozen=True)
class Extras:
    """What an image is made of beside tinyloc's own C."""

    flags: tuple[str, ...] = ()  # for every file: definitions, directories of headers
    libraries: tuple[str, ...] = ()  # for the linker, in order, before libgcc
    stack_bytes: int = 0  # the least that must be reserved
    link: tuple[str, ...] = ()  # further options of the linker
    red_zones: bool = False  # a checked image, see device/image/red_zones.py
    reserved_from: int | None = None  # address in flash from where on nothing but the slots of updates may lie


class UpdateSlots(Protocol):
    """Where the slots of an updatable image lie."""

    @property
    def first(self) -> int: ...


class Update(Protocol):
    """What makes an image updatable; device/update/image.py makes it."""

    @property
    def slots(self) -> UpdateSlots: ...

    @property
    def flags(self) -> tuple[str, ...]: ...

    @property
    def link(self) -> tuple[str, ...]: ...

    @property
    def sources(self) -> dict[str, str]: ...


def build_firmware(
    generated_dir: Path,
    board: Board,
    out_dir: Path,
    optimise: Optimise = "Os",
    *,
    debug_layers: bool = False,
    extras: Extras | None = None,
    update: Update | None = None,
    link_key: SharedKey | None = None,
) -> BuildResult:
    """Build the image of a generated model for a board.

    Args:
        generated_dir: what `tinyloc codegen` wrote.
        out_dir: becomes firmware.elf, .map, .bin, stack.txt (bytes of stack a function) and build.json, whole or not
            at all; an earlier build there is replaced.
        optimise: for the model and the localiser; the link and the application are always built for size.
        debug_layers: the image also tells a checksum of what each layer left; it is larger and slower.
        extras: what the model's back end adds, see device/image/backends.py; none for native.
        update: what makes the model replaceable, see device/update/image.py; none: it is not.
        link_key: what frames that change the device must be tagged with; none: they go without.
    Raises:
        BuildError: no compiler, generated files missing, C that does not compile, or an image that does not fit.
    """
    compiler = find_compiler()
    generated_dir = generated_dir.resolve()
    _check_generated(generated_dir, debug_layers)
    _check_output(out_dir)
    if update is not None or link_key is not None:
        extras = extras or Extras()
        extras = dataclasses.replace(extras, stack_bytes=max(extras.stack_bytes, KEY_STACK_BYTES))
    board = _with_stack(board, extras)
    with tempfile.TemporaryDirectory(prefix="tinyloc-build-") as name:
        work = Path(name).resolve()
        program = ("app", "link", "localise", *(["debug"] if debug_layers else []), *(["update"] if update else []))
        program += (*(["hash"] if update or link_key else []), *(["tags"] if link_key else []))
        sources = {source_name(path): path for path in firmware_sources(board, program)}
        sources |= model_sources(generated_dir, debug_layers)
        given = _with_debug(extras, debug_layers)
        if update is not None or link_key is not None:
            sources |= _random_sources(board)
        if update is not None:
            given = _with_update(work, sources, board, given, update)
        if link_key is not None:
            given = with_tags(work, sources, given, link_key)
        compile_and_link(compiler, work, sources, generated_dir, board, optimise, given)
        objcopy = str(Path(compiler).with_name("arm-none-eabi-objcopy"))
        # an empty .data would lie at its address in RAM, and the gap up to there would be filled
        empty = [] if any(s.name == ".data" for s in read_sections(work / "firmware.elf")) else ["-R", ".data"]
        _run([objcopy, "-O", "binary", "--gap-fill", f"{ERASED:#x}", *empty, "firmware.elf", "firmware.bin"], work)
        (work / "stack.txt").write_text("".join(sorted(stack_usage(work))), encoding="utf-8", newline="\n")
        elf = work / "firmware.elf"
        sizes = Sizes(flash_bytes(elf), static_ram_bytes(elf), board.build.stack_bytes)
        record = _record(compiler, work, generated_dir, board, optimise, sizes, debug_layers)
        (work / "build.json").write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8", newline="\n")
        with whole_directory(out_dir) as final:
            for file in ("firmware.elf", "firmware.map", "firmware.bin", "stack.txt", "build.json"):
                shutil.copyfile(work / file, final / file)
    return BuildResult(out_dir / "firmware.elf", out_dir / "firmware.map", out_dir / "firmware.bin", sizes)


def _with_stack(board: Board, extras: Extras | None) -> Board:
    least = 0 if extras is None else extras.stack_bytes
    build = board.build.model_copy(update={"stack_bytes": max(board.build.stack_bytes, least)})
    return board.model_copy(update={"build": build})


def _with_update(work: Path, sources: dict[str, Path], board: Board, extras: Extras, update: Update) -> Extras:
    """Add the files of an updatable image to `sources`; its first slot takes the place of weights.c."""
    del sources["generated/weights"]
    for folder in ("cortex_m", board.facts.family):
        found = sorted((port_directory(folder) / "update").glob("*.c"))
        if not found:
            raise BuildError(f"{board.title}: its port writes no flash ({port_directory(folder)}/update is missing)")
        sources |= {f"firmware/{folder}_{path.stem}": path for path in found}
    for name, text in update.sources.items():
        path = work / f"update_{name}.c"
        path.write_text(text, encoding="utf-8", newline="\n")
        sources[f"update_{name}"] = path
    return dataclasses.replace(
        extras,
        flags=(*extras.flags, *update.flags),
        link=(*extras.link, *update.link),
        reserved_from=update.slots.first,
    )


def _random_sources(board: Board) -> dict[str, Path]:
    """The random generator of the part, by the name of its object file."""
    folder = port_directory(board.facts.family) / "random"
    found = sorted(folder.glob("*.c"))
    if not found:
        raise BuildError(f"{board.title}: keys need a random generator, and its port drives none ({folder} is missing)")
    return {f"firmware/random_{path.stem}": path for path in found}


def with_tags(work: Path, sources: dict[str, Path], extras: Extras, key: SharedKey) -> Extras:
    """Add the key of the link to `sources`; the folders `hash` and `tags` are there already."""
    path = work / "link_key.c"
    path.write_text(key.c_source("tl_link_key"), encoding="utf-8", newline="\n")
    sources["link_key"] = path
    return dataclasses.replace(extras, flags=(*extras.flags, "-DTL_LINK_KEY"))


def _with_debug(extras: Extras | None, debug_layers: bool) -> Extras:
    given = extras or Extras()
    return dataclasses.replace(given, flags=("-DTL_DEBUG_LAYERS", *given.flags)) if debug_layers else given


def compile_and_link(
    compiler: str,
    work: Path,
    sources: Mapping[str, Path],
    generated: Path,
    board: Board,
    optimise: Optimise,
    extras: Extras | None = None,
) -> None:
    """Compile and link into the empty directory `work`: firmware.elf, firmware.map and the files of -fstack-usage.

    Args:
        compiler: path of the cross compiler.
        work: empty directory.
        sources: name of the object file below `work`, without suffix -> C file; see source_name and model_sources.
        generated: directory of the model's headers.
        board: flags, linker script and memories.
        optimise: level for the model and the localiser.
        extras: headers and libraries of a back end.

    Raises:
        BuildError: C that does not compile, or an image that does not fit.
    """
    (work / "board.h").write_text(board_header(board), encoding="utf-8", newline="\n")
    reserved = None if extras is None else extras.reserved_from
    (work / "memory.ld").write_text(memory_script(board, reserved), encoding="utf-8", newline="\n")
    (work / "fixed.c").write_text(fixed_source(board), encoding="utf-8", newline="\n")
    given = extras or Extras()
    objects = _compile(compiler, work, sources, generated, board, optimise, given.flags)
    script = checked_scripts(board, work) if given.red_zones else board.directory / board.build.linker_script
    _link(compiler, work, objects, board, script, given)


def source_name(path: Path) -> str:
    """Return the name of the object file of a C file of the firmware."""
    if not path.is_relative_to(paths.FIRMWARE_DIR):  # the port of a user's own family: families/<name>/port/<file>
        return f"firmware/port/{path.parent.parent.name}/{path.stem}"
    return f"firmware/{path.relative_to(paths.FIRMWARE_DIR).with_suffix('')}"


def model_sources(generated: Path, debug_layers: bool = False) -> dict[str, Path]:
    """Return the files that every generated model has, by the name of their object file."""
    model = generated / (DEBUG_FILE if debug_layers else _model_file(generated))
    return {f"generated/{path.stem}": path for path in (model, generated / "weights.c")}


def _model_file(generated: Path) -> str:
    return "model.cc" if (generated / "model.cc").is_file() else "model.c"


def load_build(out_dir: Path) -> BuildResult:
    """Load a build that `build_firmware` made earlier.

    Raises:
        BuildError: there is none, or it is not whole.
    """
    record = read_record(out_dir)
    build = BuildResult(out_dir / "firmware.elf", out_dir / "firmware.map", out_dir / "firmware.bin", record.sizes)
    missing = [path.name for path in (build.elf, build.map, build.bin) if not path.is_file()]
    if missing:
        raise BuildError(f"{out_dir}: {', '.join(missing)} missing; {BUILD_AGAIN}")
    if sha256(build.elf) != record.elf_sha256:
        raise BuildError(f"{build.elf}: damaged, or not the image of build.json here; {BUILD_AGAIN}")
    return build


def read_record(out_dir: Path) -> BuildRecord:
    """Read the build.json of a build.

    Raises:
        BuildError: the file is missing or damaged.
    """
    path = out_dir / "build.json"
    if not path.is_file():
        raise BuildError(f"{out_dir}: no firmware here; make it with `tinyloc build`")
    try:
        return BuildRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise BuildError(f"{path}: not a record of this tinyloc ({place}: {first['msg']}); {BUILD_AGAIN}") from error


def board_header(board: Board) -> str:
    """Write the text of board.h: the facts of board.toml and of the part that the C code needs.

    Raises:
        BoardError: facts of the part that are missing or wrong.
    """
    facts = board.facts
    source = board.clock.source
    if source not in facts.oscillators:
        known = ", ".join(facts.oscillators)
        raise BoardError(f"board {board.name}: the {facts.name} has no oscillator {source!r}; it has {known}")
    pins = "".join(_pin_macros(f"TL_UART_{name}", pin) for name, pin in (("TX", board.uart.tx), ("RX", board.uart.rx)))
    return f"""\
/* from {board.name}/board.toml */
#ifndef TL_BOARD_H
#define TL_BOARD_H
#define TL_BOARD_NAME "{board.name}"
#define TL_CLOCK_HZ {board.clock.hz}u
#define TL_CLOCK_SOURCE_{source} 1
#define TL_CLOCK_SOURCE_HZ {facts.oscillators[source]}u
#define TL_FLASH_WAIT_STATES {board.clock.flash_wait_states}u
#define TL_UART_BASE 0x{board.uart_base:08X}u
{pins}#define TL_UART_BAUD {board.uart.baud}u
#define TL_UART_MAX_BAUD {board.uart.max_baud}u
#define TL_RAM_BANKS {len(board.ram)}
#define TL_DCDC {int(board.energy is not None and board.energy.dcdc)}
#endif
"""


def _pin_macros(signal: str, pin: Pin | None) -> str:
    if pin is None:
        return ""
    port, number = pin_place(pin.pin)
    parts = {"PORT": port, "PIN": number, "FUNCTION": pin.function}
    return "".join(f"#define {signal}_{name} {value}u\n" for name, value in parts.items())


def memory_script(board: Board, reserved_from: int | None = None) -> str:
    """Write the text of memory.ld: the memories of board.toml in upper case, and the size of the stack.

    Fixed words at the end of a memory are cut off it: FIXED_ and their name is where they go, unless they stay blank.
    """
    regions: list[tuple[str, str, int, int]] = []
    for memory in board.memory:
        end = memory.base + memory.size
        tail = next((block for block in board.fixed if block.base + block.size == end), None)
        if tail is not None:
            end = tail.base
        if reserved_from is not None and memory.base < reserved_from < end:
            end = reserved_from
        regions.append((memory.name, memory.access, memory.base, end - memory.base))
        if tail is not None and not tail.blank:
            regions.append((f"fixed_{tail.name}", "r", tail.base, tail.size))
    lines = "\n".join(
        f"  {name.upper()} ({access}) : ORIGIN = 0x{base:08X}, LENGTH = 0x{size:X}"
        for name, access, base, size in regions
    )
    return f"MEMORY\n{{\n{lines}\n}}\n__stack_size = {board.build.stack_bytes};\n"


def fixed_source(board: Board) -> str:
    """Write the text of fixed.c: each block of fixed words in a section `.fixed.<name>` for the linker script."""

    def array(block: FixedWords) -> str:
        words = ", ".join(f"0x{word:08X}u" for word in block.words)
        return (
            f'__attribute__((used, section(".fixed.{block.name}")))\n'
            f"const uint32_t tl_fixed_{block.name}[{len(block.words)}] = {{{words}}};\n"
        )

    return "#include <stdint.h>\n" + "".join(array(block) for block in board.fixed if not block.blank)


def firmware_sources(board: Board, program: Sequence[str] = ("app", "link", "localise")) -> list[Path]:
    """List the C files of the firmware for a board, sorted.

    Args:
        board: names the port.
        program: folders of firmware/ that make the application.

    Raises:
        BuildError: a folder without C files.
    """
    areas = [*(paths.FIRMWARE_DIR / area for area in (*program, "port/cortex_m")), port_directory(board.facts.family)]
    empty = [str(area) for area in areas if not any(area.glob("*.c"))]
    if empty:
        raise BuildError(f"no C files in {', '.join(empty)}; install tinyloc again, or write the port of the family")
    return sorted(path for area in areas for path in area.glob("*.c"))


def find_compiler() -> str:
    """Find the cross compiler.

    Raises:
        BuildError: there is none; the message says how to install it.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise BuildError(f"no {COMPILER} on the PATH; install the cross compiler: {INSTALL_HINT}")
    return compiler


def _check_generated(directory: Path, debug_layers: bool) -> None:
    needed = [_model_file(directory) if name == "model.c" else name for name in GENERATED_FILES]
    needed += [DEBUG_FILE] if debug_layers else []
    missing = [name for name in needed if not (directory / name).is_file()]
    if missing:
        raise BuildError(f"{directory}: {', '.join(missing)} missing; generate the C code with `tinyloc codegen`")


def _check_output(out_dir: Path) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise BuildError(f"{out_dir} is a file; give another output directory")
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / "build.json").is_file():
        raise BuildError(f"{out_dir} holds other files than a build; give another output directory")


def _compile(
    compiler: str,
    work: Path,
    sources: Mapping[str, Path],
    generated: Path,
    board: Board,
    optimise: Optimise,
    flags: Sequence[str],
) -> list[str]:
    """Compile everything below `work`; gives the object files relative to it, in a fixed order."""
    sources = dict(sources)
    if any(not block.blank for block in board.fixed):
        sources["fixed"] = work / "fixed.c"
    common = [
        *_WARNINGS, *_SECTIONS, *_TRUE_CALLS, *board.build.flags,
        "-I.", f"-I{generated}", f"-I{paths.FIRMWARE_DIR}", f"-I{paths.FIRMWARE_DIR / 'kernels'}",
        f"-ffile-prefix-map={work}=.", f"-ffile-prefix-map={generated}=generated",
        f"-ffile-prefix-map={paths.FIRMWARE_DIR}=firmware", *flags,
    ]  # fmt: skip
    model_flags = _model_flags(generated, board)
    languages = {".c": [compiler, *_LANGUAGE], ".cc": [str(Path(compiler).with_name(CPP_COMPILER)), *_CPP_LANGUAGE]}

    def compile_one(name: str) -> str:
        """What the compiler complains of, empty when it does not."""
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        level = optimise if name.startswith(_TUNED) else "Os"
        command = [*languages[sources[name].suffix], *common, f"-{level}", "-c", str(sources[name]), "-o", f"{name}.o"]
        if name.startswith("generated/"):
            command += model_flags
        if name.endswith("cortex_m/memory"):
            command.append("-fno-tree-loop-distribute-patterns")
        LOGGER.debug("%s", shlex.join(command))
        result = subprocess.run(command, cwd=work, capture_output=True, text=True)
        return "" if result.returncode == 0 else result.stderr.strip() or f"{name}.c: the compiler failed"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for problem in pool.map(compile_one, sources) if problem]
    if problems:
        raise BuildError(
            f"{len(problems)} of {len(sources)} files do not compile; if the generated code was edited, "
            "generate it again with `tinyloc codegen`:\n" + "\n".join(problems)
        )
    return [f"{name}.o" for name in sources]


def _model_flags(generated: Path, board: Board) -> tuple[str, ...]:
    """What the generated code of a model is compiled with beside the common flags.

    An updatable program keeps its numbers in memory. GCC's first scheduling moves their loads up, and spills them
    again: without it ble-tracks costs 7.2 % more cycles than with immediates in place of 10.5 % (ADuCM3029). On a
    Cortex-M4 it helps, and the products of attention (house-a on the ADuCM3029: 9.6 in place of 10.0 %).
    """
    if board.core != "cortex-m3" or not is_updatable(generated):
        return ()
    attention = any("batch_matmul" in layer.name for layer in read_manifest(generated).layers)
    return () if attention else ("-fno-schedule-insns",)


def _link(compiler: str, work: Path, objects: Sequence[str], board: Board, script: Path, extras: Extras) -> None:
    command = [
        compiler, *board.build.flags, "-nostdlib", "-L.", f"-L{paths.BOARDS_DIR / 'common'}",
        f"-T{script}", "-Wl,--gc-sections", "-Wl,--build-id=none",
        "-Wl,-Map=firmware.map", *extras.link, *objects, *extras.libraries, "-lgcc", "-o", "firmware.elf",
    ]  # fmt: skip
    LOGGER.debug("%s", shlex.join(command))
    result = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if result.returncode == 0:
        if problems := fixed_problems(board, flash_content(work / "firmware.elf")):
            raise BuildError(
                f"{board.build.linker_script} does not place the fixed words of the part: {'; '.join(problems)}"
            )
        return
    overflows = _OVERFLOW.findall(result.stderr)
    if not overflows:
        raise BuildError(f"the image does not link:\n{result.stderr.strip()}")
    symbols = [symbol for name in objects for symbol in read_symbols(work / name)]
    memories = [board.region(region.lower()) for region, _ in overflows]
    raise OverflowingImage(
        [
            f"the image does not fit {board.title}: {memory.name} ({memory.size} bytes) is exceeded by {excess} bytes; "
            "use a smaller model or another board"
            for memory, (_, excess) in zip(memories, overflows, strict=True)
        ],
        [largest_symbols_table(symbols, "ram" if "w" in memory.access else "flash") for memory in memories],
    )


def _run(command: Sequence[str], directory: Path) -> str:
    try:
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is missing; install the cross compiler: {INSTALL_HINT}") from error
    if result.returncode != 0:
        raise BuildError(f"{command[0]} failed: {result.stderr.strip()}")
    return result.stdout


def stack_usage(work: Path) -> Iterator[str]:
    """Yield lines `file function bytes` from gcc's -fstack-usage."""
    for path in work.rglob("*.su"):
        for line in path.read_text(encoding="utf-8").splitlines():
            place, size, *_ = line.split("\t")
            if "(" in place:
                continue  # C++, whose symbols have other names
            yield f"{path.relative_to(work).with_suffix('.c')} {place.rsplit(':', 1)[1]} {size}\n"


def _record(
    compiler: str, work: Path, generated: Path, board: Board, optimise: Optimise, sizes: Sizes, debug_layers: bool
) -> BuildRecord:
    manifest = read_manifest(generated) if (generated / "manifest.json").is_file() else None
    return BuildRecord(
        board=board.name,
        part=board.part,
        optimise=optimise,
        debug_layers=debug_layers,
        compiler=_run([compiler, "--version"], work).splitlines()[0],
        model=manifest.name if manifest else None,
        model_id=manifest.model_id if manifest else None,
        elf_sha256=sha256(work / "firmware.elf"),
        sizes=sizes,
        stack_bound_bytes=None if manifest and manifest.backend == "tflm" else _stack_bound(work),
    )


def _stack_bound(work: Path) -> int | None:
    try:
        return stack_bound(load_image(work / "firmware.elf"), frames_of(stack_usage(work))).bytes
    except StackError:  # a library that calls itself
        return None
