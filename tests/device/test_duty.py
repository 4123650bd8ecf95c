"""The loop that sleeps between samples: answers, current, and sleeps that would not end."""

from pathlib import Path

import pytest

from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.emulator.crash import EmulatorCrash
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.evaluation.sleep_cycle import DutyError, run_duty
from tinyloc.main import main

BUNDLE = Path(__file__).resolve().parents[2] / "zoo" / "house-a"
MOST_OVERHEAD = 0.03
ASLEEP = """
#define SET(address, bits) REG(address) |= (bits)
void start(void) {
  SET(0x40021094, 1);                       /* LSION */
  SET(0x40021088, 1u << 18);                /* LPTIM1 on LSI */
  SET(0x40021058, 1u << 31 | 1u << 28);
  REG(0x40007C0C) = 3u << 9;
  REG(0x40007C08) = IER;
  REG(0x40007C10) = 1;
  REG(0x40007C18) = ARR;
  REG(0x40007C10) = CR;
  SET(0x40010424, EMR);
  SET(0x40007000, LPMS);
  SET(0xE000ED10, SCR);
  for (;;) {
    __asm volatile("wfe");
    if (REG(0x40007C00) & 2) REG(0x40007C04) = 2;
  }
}
"""
SOUND = {"IER": "2", "ARR": "799", "CR": "5", "EMR": "1", "LPMS": "2", "SCR": "4"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("duty") / "generated"
    compile_bundle(BUNDLE, place)
    return place


def test_the_loop_draws_little_more_than_sleep_and_inference(generated: Path) -> None:
    found = run_duty(BUNDLE, generated, load_board("stm32l4"), 5.0, 30)
    assert found.mismatches == 0 and found.mode == "Stop 2"
    assert 0.0 < found.overhead <= MOST_OVERHEAD
    assert found.awake_cycles > found.inference_cycles > 1000
    slow = run_duty(BUNDLE, generated, load_board("stm32l4"), 1.0, 10)
    assert found.sleep_microamp < slow.average_microamp < found.average_microamp


@pytest.mark.parametrize("board", ["nrf52840dk", "nrf52832dk"])
def test_the_nrf52_sleeps_on_its_real_time_counter(board: str, generated: Path) -> None:
    found = run_duty(BUNDLE, generated, load_board(board), 3.0, 12)
    assert found.mismatches == 0 and found.mode == "System ON idle"
    assert found.rate_hz == pytest.approx(3.003, abs=1e-3) and 0.0 < found.overhead < 0.1


@pytest.mark.parametrize("board", ["aducm3029", "cc2650", "cortex-m4"])
def test_a_port_without_sleep_is_named(board: str, generated: Path) -> None:
    with pytest.raises(DutyError, match=f"board {board}: its port has no sleep"):
        run_duty(BUNDLE, generated, load_board(board))


def test_a_rate_that_the_watchdog_would_not_survive_is_refused(generated: Path) -> None:
    with pytest.raises(DutyError, match=r"0\.1 Hz: the rate must be between"):
        run_duty(BUNDLE, generated, load_board("stm32l4"), 0.1)


def _asleep(firmware, board, **changes: str) -> Machine:
    flags = "".join(f"#define {name} {value}u\n" for name, value in (SOUND | changes).items())
    machine = Machine(firmware(flags + ASLEEP), board)
    machine.run()
    assert machine.asleep
    return machine


def test_the_timer_ends_the_sleep_again_and_again(firmware, board) -> None:
    machine = _asleep(firmware, board)
    for _ in range(3):
        assert machine.wake() == pytest.approx(0.2)
        machine.run()
        assert machine.asleep


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"IER": "0"}, "LPTIM1_IER does not signal"),
        ({"CR": "1"}, "LPTIM1 does not count"),
        ({"EMR": "0"}, "EXTI_EMR2 lets no event"),
        ({"LPMS": "0"}, "LPMS is 0, Stop 2 is 2"),
        ({"SCR": "0"}, "SLEEPDEEP is off"),
    ],
)
def test_a_sleep_that_does_not_end_as_it_should_is_a_crash(firmware, board, change, reason) -> None:
    with pytest.raises(EmulatorCrash, match=reason):
        _asleep(firmware, board, **change).wake()


def test_a_core_that_does_not_sleep_cannot_be_woken(firmware, board) -> None:
    machine = Machine(firmware("void start(void) { uart_on(); for (;;) get(); }"), board)
    machine.run()
    with pytest.raises(EmulatorCrash, match="does not sleep"):
        machine.wake()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "duty.json"
    command = ["duty", "zoo:house-a-stm32l4", "--samples", "5"]
    command += ["--runs-dir", str(tmp_path / "runs"), "--json", str(figures)]
    assert main(command) == 0
    assert "all answers equal the host's" in capsys.readouterr().out
    assert '"overhead"' in figures.read_text()
