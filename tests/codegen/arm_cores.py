"""Generated C on an Arm core: compiled by arm-none-eabi-gcc, called in Unicorn with pointers as a firmware would."""

import io
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from tinyloc.codegen.manifest import read_graph_manifest
from tinyloc.paths import FIRMWARE_DIR

COMPILER = "arm-none-eabi-gcc"
FLAGS = ["-mthumb", "-std=c11", "-Os", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-ffreestanding", "-nostartfiles"]
CODE, MEMORY, STACK, RETURN = 0x0800_0000, 0x2000_0000, 0x2800_0000, 0x0700_0000
CORES = {"cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4, "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3}


class ArmNetwork:
    """Same interface as HostNetwork; `run` is a call of tl_model_run on the core."""

    def __init__(self, generated: Path, core: str, flags: Sequence[str] = ()) -> None:
        self.manifest = read_graph_manifest(generated)
        elf = generated / "model.elf"
        command = [
            COMPILER,
            f"-mcpu={core}",
            *FLAGS,
            *flags,
            f"-I{generated}",
            f"-I{FIRMWARE_DIR}",
            f"-Wl,-Ttext={CODE:#x}",
        ]
        command += [
            "--specs=nano.specs",
            "-Wl,-etl_model_run",
            str(generated / "model.c"),
            str(generated / "weights.c"),
            "-o",
            str(elf),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        self.image = ELFFile(io.BytesIO(elf.read_bytes()))
        self.core = CORES[core]

    def symbol(self, name: str) -> int:
        """Address of a function."""
        table = self.image.get_section_by_name(".symtab")
        return int(table.get_symbol_by_name(name)[0]["st_value"])

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The network's inputs in order -> its outputs in order."""
        machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        machine.ctl_set_cpu_model(self.core)
        for address, size in ((CODE, 1 << 20), (MEMORY, 1 << 21), (STACK, 1 << 16), (RETURN, 1 << 12)):
            machine.mem_map(address, size)
        for segment in self.image.iter_segments("PT_LOAD"):
            machine.mem_write(segment["p_vaddr"], segment.data())
        places, at = [MEMORY], MEMORY + -(-max(self.manifest.arena_bytes, 4) // 8) * 8
        results = [np.zeros(record.shape, record.element) for record in self.manifest.outputs]
        for array in (*inputs, *results):
            places.append(at)
            machine.mem_write(at, np.ascontiguousarray(array).tobytes())
            at += -(-array.nbytes // 8) * 8
        self._call(machine, self.symbol("tl_model_run"), places)
        for array, place in zip(results, places[1 + len(inputs) :], strict=True):
            array[...] = np.frombuffer(bytes(machine.mem_read(place, array.nbytes)), array.dtype).reshape(array.shape)
        return results

    @staticmethod
    def _call(machine: unicorn.Uc, function: int, arguments: Sequence[int]) -> None:
        registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)
        for register, value in zip(registers, arguments, strict=False):
            machine.reg_write(register, value)
        rest = np.array(arguments[4:], "<u4").tobytes()
        top = STACK + (1 << 16) - -(-len(rest) // 8) * 8
        machine.mem_write(top, rest)
        machine.reg_write(arm_const.UC_ARM_REG_SP, top)
        machine.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
        machine.emu_start(function | 1, RETURN, count=200_000_000)
        assert machine.reg_read(arm_const.UC_ARM_REG_PC) == RETURN, "the call did not return"
