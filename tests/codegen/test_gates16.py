"""Sigmoid and tanh of the LSTM kernels: the C equals gates16 on every int16, plain on the host and in assembly."""

import ctypes
import io
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from tests.codegen.arm_cores import CODE, COMPILER, CORES, FLAGS, MEMORY, RETURN, STACK
from tinyloc.codegen.arithmetic import gates16
from tinyloc.paths import FIRMWARE_DIR

PROGRAM = """
#include "kernels/tl_gates16.h"
#define COUNT 64
void all_values(int32_t tanh_bits, int16_t *y)
{
    for (int32_t first = INT16_MIN; first <= INT16_MAX; first += COUNT) {
        int32_t values[4 * COUNT] = {0};
        for (int32_t i = 0; i < COUNT; i++) {
            values[4 * i] = first + i;
        }
        if (tanh_bits < 0) {
            tl_sigmoids16(values, COUNT);
        } else {
            tl_tanhs16(values, COUNT, tanh_bits);
        }
        for (int32_t i = 0; i < COUNT; i++) {
            *y++ = (int16_t)values[4 * i];
        }
    }
}
"""
SIGMOID = -1
KINDS = (SIGMOID, *gates16.CELL_BITS)
Int16s = npt.NDArray[np.int16]


def specified(kind: int) -> Int16s:
    """All outputs of sigmoid, or of tanh with so many integer bits."""
    return gates16.sigmoid() if kind == SIGMOID else gates16.tanh(kind)


def test_the_host(tmp_path: Path) -> None:
    (tmp_path / "all.c").write_text(PROGRAM)
    library = tmp_path / "all.so"
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{FIRMWARE_DIR}"]
    subprocess.run([*command, str(tmp_path / "all.c"), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).all_values
    for kind in KINDS:
        found = np.zeros(65536, np.int16)
        function(kind, found.ctypes.data_as(ctypes.c_void_p))
        np.testing.assert_array_equal(found, specified(kind), err_msg=f"kind {kind}")


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O2", "-Os", "-O0"])
def test_a_core(core: str, level: str, tmp_path: Path) -> None:
    """-O0 has the plain form."""
    (tmp_path / "all.c").write_text(PROGRAM)
    elf = tmp_path / "all.elf"
    options = [f"-mcpu={core}", *FLAGS, level, f"-I{FIRMWARE_DIR}", f"-Wl,-Ttext={CODE:#x},-eall_values"]
    command = [COMPILER, *options, "--specs=nano.specs", str(tmp_path / "all.c"), "-o", str(elf)]
    subprocess.run(command, check=True)
    image = ELFFile(io.BytesIO(elf.read_bytes()))
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(CORES[core])
    for address, size in ((CODE, 1 << 20), (MEMORY, 1 << 18), (STACK, 1 << 16), (RETURN, 1 << 12)):
        machine.mem_map(address, size)
    for segment in image.iter_segments("PT_LOAD"):
        machine.mem_write(segment["p_vaddr"], segment.data())
    function = image.get_section_by_name(".symtab").get_symbol_by_name("all_values")[0]["st_value"]
    for kind in KINDS if level == "-O2" else KINDS[:2]:
        machine.reg_write(arm_const.UC_ARM_REG_R0, kind & 0xFFFFFFFF)
        machine.reg_write(arm_const.UC_ARM_REG_R1, MEMORY)
        machine.reg_write(arm_const.UC_ARM_REG_SP, STACK + (1 << 16))
        machine.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
        machine.emu_start(function | 1, RETURN)
        found = np.frombuffer(bytes(machine.mem_read(MEMORY, 2 * 65536)), np.int16)
        np.testing.assert_array_equal(found, specified(kind), err_msg=f"kind {kind}")
