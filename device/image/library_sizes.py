"""What a library takes by itself: its bare example is linked for a board, looked at, and run in the emulator.

The application, the start-up and the self-test are left out of every figure.
"""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tinyloc.boards import Board, load_board
from tinyloc.codegen.library.layout import BARE, library_files
from tinyloc.codegen.library.model import LibraryModel
from tinyloc.device.emulator.flash_reads import timing_of
from tinyloc.device.emulator.image import load_image
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.image.build import BuildError, find_compiler, stack_usage
from tinyloc.device.image.footprint import Piece, read_pieces, read_symbols
from tinyloc.device.image.library_record import LibrarySizes
from tinyloc.device.image.stack import frames_of, stack_bound

BOARDS = ("stm32l4", "cc2650")
"""One for each core."""
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
OUTCOME = "outcome"
_PUBLIC = ("init", "begin_scan", "hear", "end_scan", "sample", "run", "imu", "ranges", "selftest")
_MEASURED = ("localiser_sample", "network_run", "fusion_ranges")
_CHECKED = ("_step_checked", "_run_checked")


def measure_models(models: Sequence[LibraryModel]) -> dict[str, dict[str, dict[str, Any]]]:
    """Model -> board -> LibrarySizes as a dictionary. Raises BuildError when there is no cross compiler."""
    return {model.name: {name: measure(model, load_board(name)).model_dump() for name in BOARDS} for model in models}


def measure(model: LibraryModel, board: Board) -> LibrarySizes:
    """Build the bare example of this model alone at -O2 and run it."""
    with tempfile.TemporaryDirectory(prefix="tinyloc-library-") as name:
        work = Path(name)
        write_files(work, library_files([model]))
        elf = build_bare(work, board, work / "objects")
        pieces = [piece for piece in read_pieces(work / "objects" / "bare.map") if _own(piece)]
        image = load_image(elf)
        known = {function.name for function in image.functions}
        frames = frames_of(stack_usage(work / "objects"))
        stacks = {
            function: stack_bound(image, frames, function).bytes
            for function in (f"{model.name}_{each}" for each in _PUBLIC)
            if function in known
        }
        cycles, answer = _run(elf, board, model)
        contexts = {symbol.name: symbol.size for symbol in read_symbols(elf) if symbol.memory == "ram"}
        context = f"{model.name}_filter" if model.kind == "fusion" else f"{model.name}_context"
        return LibrarySizes(
            core=board.core,
            compiler=compiler_version(),
            code_bytes=sum(p.size for p in pieces if p.section.startswith(".text")),
            constant_bytes=sum(p.size for p in pieces if p.section.startswith(".rodata")),
            context_bytes=contexts[context],
            arena_bytes=model.facts["arena_bytes"],
            stack_bytes=stacks,
            largest_stack_bytes=max(size for name, size in stacks.items() if not name.endswith("_selftest")),
            cycles=cycles,
            selftest=answer,
        )


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """The files of a library, below `directory`."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def compiler_version() -> str:
    """First line of the cross compiler's --version."""
    return subprocess.run(
        [find_compiler(), "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]


def build_bare(library: Path, board: Board, work: Path, level: str = "O2") -> Path:
    """Compile and link examples/bare_metal of a library that was written to `library`; gives the ELF in `work`.

    Raises BuildError: no compiler, or C that it warns of. RAM and flash that the board has not are an error, too.
    """
    compiler = find_compiler()
    work.mkdir(parents=True)
    sources = [*sorted((library / "src").glob("*.c")), library / BARE / "main.c", library / BARE / "startup.c"]
    common = [
        compiler, "-std=c99", f"-{level}", *WARNINGS, "-ffreestanding", "-ffunction-sections", "-fdata-sections",
        "-fno-optimize-sibling-calls", "-fstack-usage", *board.build.flags, f"-DBOARD_{board.name.upper()}",
        f"-I{library / 'include'}",
    ]  # fmt: skip

    def compile_one(source: Path) -> str:
        done = subprocess.run(
            [*common, "-c", str(source), "-o", f"{source.stem}.o"], cwd=work, capture_output=True, text=True
        )
        return "" if done.returncode == 0 else done.stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for problem in pool.map(compile_one, sources) if problem]
    if problems:
        raise BuildError("the library does not compile:\n" + "\n".join(problems)[:3000])
    link = [
        compiler, *board.build.flags, "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-Map=bare.map",
        f"-T{library / BARE / board.name}.ld", *(f"{source.stem}.o" for source in sources), "-lgcc", "-o", "bare.elf",
    ]  # fmt: skip
    done = subprocess.run(link, cwd=work, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"the bare example does not link for {board.name}:\n{done.stderr[:3000]}")
    return work / "bare.elf"


def run_bare(elf: Path, board: Board) -> int:
    """Run a bare example in the emulator; gives what it leaves in `outcome`: a bit for each model that differs."""
    machine = Machine(elf, board)
    machine.run()
    return int.from_bytes(machine.read_memory(machine.image.symbols[OUTCOME], 4), "little")


def _run(elf: Path, board: Board, model: LibraryModel) -> tuple[int | None, str]:
    timing = timing_of(board, board.clock.flash_wait_states, True)
    entries = frozenset(f"{model.name}_{each}" for each in _MEASURED)
    machine = Machine(elf, board, measure=True, timing=timing, entries=entries)
    machine.run()
    outcome = int.from_bytes(machine.read_memory(machine.image.symbols[OUTCOME], 4), "little")
    runs = [run.cycles for run in machine.profiler.runs]
    return (round(statistics.median(runs)) if runs else None), "equal" if outcome == 0 else "differs"


def _own(piece: Piece) -> bool:
    """Whether a piece of the image is the library's, or of the compiler's library for it."""
    if piece.section.endswith(_CHECKED):
        return False
    return ".a(" in piece.source or (
        not piece.source.startswith(("main.o", "startup.o")) and "_selftest.o" not in piece.source
    )
