"""Back end cmsis_nn: which operators go to the library, and how much memory each asks for.

The library's own functions give the sizes. They are C of the target, so they are asked on the target: a probe is linked
with the user's archive and run in Unicorn (an archive for this machine, as tests use, is run as it is).
"""

import dataclasses
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.archive import Archive, find_archive, library_directory
from tinyloc.codegen.backends.cmsis_nn.library_rule import PREFIX, LibraryCall
from tinyloc.codegen.backends.cmsis_nn.operators import LIBRARY_RULES
from tinyloc.codegen.graph import Graph, Operator

VARIABLE = "CMSIS_NN_DIR"
ARCHIVE = "libcmsis-nn.a"
EXPLANATION = (
    "The back end cmsis_nn links with your own build of CMSIS-NN (https://github.com/ARM-software/CMSIS-NN; its README "
    f"says how it is built): set {VARIABLE} to a directory that holds the headers (Include/arm_nnfunctions.h) and "
    f"{ARCHIVE}, made by arm-none-eabi-gcc with the board's own flags ([build] in its board.toml), without "
    "CMSIS_NN_USE_SINGLE_ROUNDING"
)
_CODE, _DATA, _STACK, _RETURN = 0x0800_0000, 0x2000_0000, 0x2800_0000, 0x0700_0000
_CPUS = {"cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3, "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4}


@dataclass(frozen=True)
class CmsisNn:
    """A user's build."""

    headers: Path
    archive: Archive


def find_cmsis_nn() -> CmsisNn:
    """The build that CMSIS_NN_DIR names. Raises BackendError with what to set and how to get it."""
    directory = library_directory(VARIABLE, EXPLANATION)
    for headers in (directory / "Include", directory / "include", directory):
        if (headers / "arm_nnfunctions.h").is_file():
            return CmsisNn(headers, find_archive(directory, ARCHIVE, VARIABLE, EXPLANATION))
    raise BackendError(f"{VARIABLE}={directory} has no Include/arm_nnfunctions.h. {EXPLANATION}")


def use_library(graph: Graph, library: CmsisNn | None) -> tuple[Graph, list[str]]:
    """Operators that the library has become calls of it; the others stay.

    Without a `library` their need of memory is left at 0, for references that only compute.
    """
    operators = [_with_library(graph, op) for op in graph.operators]
    chosen = [op for op in operators if op.kind.startswith(PREFIX)]
    calls = [_call(graph, op) for op in chosen]
    if library is not None:
        _check_functions(library, calls)
    sizes = [call.bytes for call in calls] if library is None else library_sizes(library, calls)
    scratch = {id(op): size for op, size in zip(chosen, sizes, strict=True)}
    notes = [
        f"{op.origin[0]}: by CMSIS-NN" + (f", which asks for {scratch[id(op)]} bytes" if scratch[id(op)] else "")
        for op in chosen
    ]
    sized = [
        dataclasses.replace(op, attributes={**op.attributes, "scratch": scratch[id(op)]}) if id(op) in scratch else op
        for op in operators
    ]
    return graph.with_operators(sized), notes


def _with_library(graph: Graph, op: Operator) -> Operator:
    rule = LIBRARY_RULES.get(op.kind)
    if rule is None or not rule.takes(graph, op):
        return op
    return dataclasses.replace(op, kind=PREFIX + op.kind)


def _call(graph: Graph, op: Operator) -> LibraryCall:
    return LIBRARY_RULES[op.kind.removeprefix(PREFIX)].library_call(graph, op, "layer")


def _check_functions(library: CmsisNn, calls: Sequence[LibraryCall]) -> None:
    wanted = {name for call in calls for name in re.findall(r"\barm_\w+(?=\()", f"{call.call} {call.size}")}
    known = set(re.findall(r"\barm_\w+(?=\()", (library.headers / "arm_nnfunctions.h").read_text(encoding="utf-8")))
    if missing := sorted(wanted - known):
        raise BackendError(
            f"{library.headers / 'arm_nnfunctions.h'} has no {', '.join(missing)}, which this model needs; build a "
            "newer CMSIS-NN"
        )


def library_sizes(library: CmsisNn, calls: Sequence[LibraryCall]) -> list[int]:
    """What the library's own functions say that each call needs, in bytes, or the call itself. Raises BackendError."""
    asked = [number for number, call in enumerate(calls) if call.size]
    sizes = [call.bytes for call in calls]
    if not asked:
        return sizes
    with tempfile.TemporaryDirectory(prefix="tinyloc-sizes-") as name:
        work = Path(name)
        (work / "probe.c").write_text(_probe_text([calls[number] for number in asked]), encoding="utf-8", newline="\n")
        values = _run_on_host(library, work) if library.archive.core == "host" else _run_on_core(library, work)
    for number, value in zip(asked, values[: len(asked)], strict=True):
        if value < 0:
            raise BackendError(f"{library.archive.path}: {calls[number].size} gives {value}; the library is damaged")
        sizes[number] = value
    return sizes


def _probe_text(calls: Sequence[LibraryCall]) -> str:
    blocks = []
    for number, call in enumerate(calls):
        # arrays of the model do not matter to a size
        lines = [line for line in call.declarations if "scaling" not in line and "cmsis_nn_bias_data" not in line]
        blocks.append("    {\n" + "\n".join(f"        {line}" for line in lines))
        blocks.append(f"        sizes[{number}] = {call.size};\n    }}")
    body = "\n".join(blocks)
    return (
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        '#include "arm_nnfunctions.h"\n'
        f"int32_t sizes[{len(calls)}];\n"
        "void probe(void);\n"
        f"void probe(void)\n{{\n{body}\n}}\n"
        "#ifdef ON_HOST\n"
        f'int main(void) {{ probe(); for (int i = 0; i < {len(calls)}; i++) printf("%d\\n", (int)sizes[i]); }}\n'
        "#endif\n"
    )


def _compile(command: Sequence[str], library: CmsisNn) -> None:
    if shutil.which(command[0]) is None:
        raise BackendError(f"no {command[0]} on the PATH: it is needed to ask CMSIS-NN for the sizes of its buffers")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(
            f"{library.archive.path} and {library.headers} do not match, or are too old:\n{done.stderr.strip()[:2000]}"
        )


def _run_on_host(library: CmsisNn, work: Path) -> list[int]:
    archive, probe = str(library.archive.path), str(work / "probe")
    command = ["cc", "-w", "-DON_HOST", f"-I{library.headers}", str(work / "probe.c"), archive, "-lm", "-o", probe]
    _compile(command, library)
    return [int(line) for line in subprocess.run([probe], capture_output=True, text=True, check=True).stdout.split()]


def _run_on_core(library: CmsisNn, work: Path) -> list[int]:
    elf = work / "probe.elf"
    command = [
        "arm-none-eabi-gcc", *library.archive.flags, "-w", "-Os", "-ffreestanding", "-nostdlib", "-Wl,-eprobe",
        "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", f"-Wl,-Ttext={_CODE:#x}", f"-Wl,-Tdata={_DATA:#x}",
        f"-I{library.headers}", str(work / "probe.c"), str(library.archive.path), "-lgcc", "-o", str(elf),
    ]  # fmt: skip
    _compile(command, library)
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(_CPUS["cortex-m3" if library.archive.core == "cortex-m3" else "cortex-m4"])
    for address, size in ((_CODE, 1 << 20), (_DATA, 1 << 20), (_STACK, 1 << 16), (_RETURN, 1 << 12)):
        machine.mem_map(address, size)
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        for segment in image.iter_segments("PT_LOAD"):
            machine.mem_write(segment["p_vaddr"], segment.data())
        table = image.get_section_by_name(".symtab")
        (probe,), (sizes,) = table.get_symbol_by_name("probe"), table.get_symbol_by_name("sizes")
    machine.reg_write(arm_const.UC_ARM_REG_SP, _STACK + (1 << 16))
    machine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
    machine.emu_start(probe["st_value"] | 1, _RETURN, count=1_000_000)
    if machine.reg_read(arm_const.UC_ARM_REG_PC) != _RETURN:
        raise BackendError(f"{library.archive.path}: its buffer-size functions do not return")
    found = bytes(machine.mem_read(sizes["st_value"], sizes["st_size"]))
    return [int(value) for value in np.frombuffer(found, "<i4")]
