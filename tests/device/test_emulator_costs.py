"""Modelled cycles: sequences worked out by hand from the manuals' tables, branches, calls, and call chains."""

import subprocess
from pathlib import Path

import pytest

from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.costs import COSTS, REFILL, block_cycles
from tinyloc.device.emulator.disassembly import instructions, is_dsp, is_fpu


@pytest.fixture(scope="module")
def assemble(tmp_path_factory):
    directory = tmp_path_factory.mktemp("assembly")

    def run(text: str) -> list:
        source, binary = directory / "code.s", directory / "code.bin"
        source.write_text(f".syntax unified\n.thumb\n.fpu fpv4-sp-d16\n{text}\n")
        try:
            subprocess.run(["arm-none-eabi-as", "-mcpu=cortex-m4", source, "-o", directory / "code.o"], check=True)
        except FileNotFoundError:
            pytest.skip("needs arm-none-eabi-gcc")
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", directory / "code.o", binary], check=True)
        return instructions(binary.read_bytes(), 0)

    return run


@pytest.mark.parametrize(
    ("code", "m3", "m4"),
    [
        ("adds r0, r1, r2\nmovs r3, #1\nlsls r3, r3, #2\nmovw r0, #1000\nubfx r0, r1, #2, #3", 5, 5),
        ("ldr r0, [r1]", 2, 2),
        ("ldr r0, [r1]\nldr r2, [r1, #4]\nldr r3, [r1, #8]", 4, 4),  # pipelined
        ("ldr r0, [r1]\nldr r2, [r0]", 4, 4),  # the second needs the first
        ("ldr r0, [r1]\nldr r2, [r3, r0, lsl #2]", 4, 4),  # through the index too
        ("ldr r0, [r1]\nadds r4, r4, #1\nldr r2, [r1, #4]", 5, 5),  # an instruction between
        ("ldrsb r0, [r1], #1\nldrsb r2, [r3], #1", 4, 3),  # base update is not pipelined on the M3
        ("adds r1, r1, #4\nldr r0, [r1]", 4, 4),  # the address is not ready
        ("adds r1, r1, #4\nstr r0, [r2, r1]", 4, 4),
        ("adds r1, r1, #4\nnop\nldr r0, [r1]", 4, 4),  # ready after an instruction between
        ("adds r1, r1, #4\nldr r0, [r2]", 3, 3),
        ("adds r1, r1, #4\nldmia r1!, {r2, r3}", 5, 5),
        ("ldr r1, [r2], #4\nldr r0, [r2]", 4, 3),  # the update of a base is no data processing
        ("ldr pc, [r0]", 3, 3),
        ("str r0, [r1]\nstr r0, [r1, #4]", 2, 2),
        ("str r0, [r1, r2]", 2, 2),  # register offset
        ("ldr r0, [r1]\nstr r0, [r1, r2]", 3, 3),  # pipelined behind a load
        ("ldrd r0, r1, [r2]\nstrd r0, r1, [r2]", 6, 6),
        ("ldmia r0!, {r1, r2, r3, r4}\nstmia r0!, {r1, r2}", 8, 8),
        ("push {r4, r5, lr}\npop {r4, r5, pc}", 8, 8),
        ("push.w {r4, r8, lr}\npop.w {r4, r8, pc}", 8, 8),
        ("mul r0, r1, r2", 1, 1),
        ("mla r0, r1, r2, r3\nmls r0, r1, r2, r3", 4, 2),
        ("smull r0, r1, r2, r3", 4, 1),
        ("smlal r0, r1, r2, r3", 6, 1),
        ("udiv r0, r1, r2", 7, 7),
        ("ssat r0, #8, r1\nsxtb r0, r0\nclz r0, r1", 3, 3),
        ("it eq\nmoveq r0, #1", 2, 2),
        ("tbb [pc, r0]", 4, 4),
    ],
)
def test_cycles_of_a_block(assemble, code, m3, m4):
    block = assemble(code)
    assert block_cycles(block, "cortex-m3") == m3
    assert block_cycles(block, "cortex-m4f") == m4


@pytest.mark.parametrize(
    ("code", "m4"),
    [
        ("smlad r0, r1, r2, r3\nsxtb16 r0, r1\nsmmulr r0, r1, r2\nsmlalbb r0, r1, r2, r3", 4),
        ("vadd.f32 s0, s1, s2\nvmul.f32 s0, s1, s2\nvcvt.s32.f32 s0, s0", 3),
        ("vdiv.f32 s0, s1, s2\nvfma.f32 s0, s1, s2", 17),
        ("vldr s0, [r1]\nvldr s1, [r1, #4]", 3),
        ("vldr d0, [r1]", 3),
        ("vstr s0, [r1]\nvstr d0, [r1]", 5),
        ("vpush {s16-s19}\nvpop {s16-s19}", 10),
        ("vpush {d8-d9}", 5),
        ("vldmia r0!, {s0-s3}", 5),
    ],
)
def test_cycles_of_what_only_a_cortex_m4_has(assemble, code, m4):
    block = assemble(code)
    assert block_cycles(block, "cortex-m4f") == m4
    assert all(is_dsp(instruction) or is_fpu(instruction) for instruction in block)


def test_no_instruction_is_in_the_table_twice():
    names = [name for cost in COSTS for name in cost.mnemonics.split()]
    assert len(names) == len(set(names))


def test_the_page_shows_the_table_that_is_used():
    page = (Path(__file__).parent.parent.parent / "docs" / "concepts" / "emulator.md").read_text()

    def cell(base: int | None, each: int) -> str:
        if base is None:
            return "-"
        return f"{base} + N" if each else str(base)

    rows = [(c.mnemonics, cell(c.m3, c.per_register), cell(c.m4, c.per_register), c.note) for c in COSTS]
    for names, m3, m4, note in [*rows, ("(all others)", "1", "1", f"a taken branch adds {REFILL}")]:
        assert f"| `{names}` | {m3} | {m4} | {note} |" in page


MAIN = "void start(void) { uart_on(); for (;;) { u32 n = get(); tl_localiser_sample(n); put(n); } }"


def measured(firmware, board, body: str, byte: int = 5, **options):
    device = EmulatedDevice(firmware(body + MAIN, **options), board, measure=True)
    device.write(bytes([byte]))
    assert device.read(0) == bytes([byte])
    return device.runs


def naked(name: str, code: str) -> str:
    lines = " ".join(f'"{line}\\n"' for line in code.splitlines())
    return f"__attribute__((naked, noinline, noclone)) void {name}(u32 n) {{ __asm volatile({lines}); }}"


def test_a_loop_pays_for_its_taken_branches(firmware, board):
    (run,) = measured(firmware, board, naked("tl_localiser_sample", "1: subs r0, r0, #1\nbne 1b\nbx lr"))
    # the call's refill is charged with the first block of the callee
    taken = 4
    assert run.instructions == 5 * 2 + 1
    assert run.cycles == 5 * 2 + 1 + taken * REFILL + REFILL


def test_calls_are_charged_to_caller_and_callee(firmware, board):
    inner = naked("inner", "nop\nnop\nnop\nbx lr")
    outer = naked("tl_localiser_sample", "push {r4, lr}\nbl inner\nbl inner\npop {r4, pc}")
    (run,) = measured(firmware, board, inner + outer)
    cost = {f.name: f for f in run.functions}
    assert cost["inner"].calls == 2
    assert cost["inner"].instructions == 8
    assert cost["tl_localiser_sample"].instructions == 4
    assert cost["tl_localiser_sample"].inclusive_instructions == run.instructions == 12
    # push 3, bl 1 each, pop 3, four refills on the way, one on entry
    assert run.cycles == 3 + 2 + 3 + 8 + 5 * REFILL
    assert sum(run.folded.values()) == run.cycles
    assert set(run.folded) == {"tl_localiser_sample", "tl_localiser_sample;inner"}


def test_a_tail_call_belongs_to_the_caller_of_its_caller(firmware, board):
    last = naked("last", "nop\nbx lr")
    middle = naked("middle", "nop\nb last")
    outer = naked("tl_localiser_sample", "push {r4, lr}\nbl middle\npop {r4, pc}")
    (run,) = measured(firmware, board, last + middle + outer)
    assert {"tl_localiser_sample;middle", "tl_localiser_sample;last"} < set(run.folded)
    assert {f.name: f.calls for f in run.functions} == {"tl_localiser_sample": 1, "middle": 1, "last": 1}


def test_what_is_measured_may_end_in_a_tail_call(firmware, board):
    (run,) = measured(firmware, board, naked("last", "nop\nbx lr") + naked("tl_localiser_sample", "nop\nb last"))
    assert run.instructions == 4
    assert set(run.folded) == {"tl_localiser_sample", "tl_localiser_sample;last"}


def test_recursion_is_counted_once(firmware, board):
    source = "NOIPA u32 down(u32 n) { return n ? down(n - 1) + n : 0; }"
    (run,) = measured(firmware, board, source + "NOIPA void tl_localiser_sample(u32 n) { down(n); }")
    down = next(f for f in run.functions if f.name == "down")
    assert down.calls >= 1
    assert down.inclusive_cycles <= run.cycles
    assert sum(f.cycles for f in run.functions) == run.cycles


def test_switching_between_counting_and_not_counts_whole_samples(firmware, board):
    device = EmulatedDevice(firmware(naked("tl_localiser_sample", "nop\nbx lr") + MAIN), board)
    for measure in (False, True, False, True, True, False):
        device.measure = measure
        device.write(b"a")
        assert device.read(0) == b"a"
    assert [run.instructions for run in device.runs] == [2, 2, 2]


def test_the_cycle_counter_returns_modelled_cycles(firmware, board):
    source = (
        "void start(void) { REG(0xE000EDFC) |= 1 << 24; REG(0xE0001000) |= 1; uart_on(); get();"
        " u32 before = REG(0xE0001004); for (volatile int i = 0; i < 100; i++) {} "
        " REG(0x20000000) = REG(0xE0001004) - before; get(); }"
    )
    device = EmulatedDevice(firmware(source), board, measure=True)
    device.write(b"a")
    device.read(0)
    counted = int.from_bytes(device.machine.read_memory(0x20000000, 4), "little")
    assert 100 * 8 < counted < 100 * 16
