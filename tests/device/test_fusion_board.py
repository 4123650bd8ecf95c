"""The fusion in real images on emulated boards: the reference's positions, within cycles, flash and memory."""

from pathlib import Path

import numpy as np
import pytest

from tinyloc.boards import load_board
from tinyloc.codegen.fusion import compile_fusion
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.flash_reads import timing_of
from tinyloc.device.fusion.fusion_client import IMU_MAX, FusionClient, parse_fix
from tinyloc.device.fusion.fusion_image import FusionImage, build_fusion
from tinyloc.device.fusion.fusion_walk import TOLERANCE_M, costs_by_entry, run_walk
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient, DeviceRefused, DeviceRestarted
from tinyloc.device.link.frames import ErrorCode, FrameError, Message
from tinyloc.device.link.transport import LinkError
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import LOOP
from tinyloc.training.fusion.students.quantised import IntegerStudent
from tinyloc.training.fusion.students.student_files import load_student

RESULTS = Path(__file__).resolve().parents[2] / "results" / "fusion"
SETTINGS = FilterSettings(rule="guarded", pull=0.1, engage=0.0, doubt_limit=11.0)
"""The costliest: the gate is always open, so every epoch has a student and a robust fix."""
MOST_CYCLES = {"stm32l4": 60_000, "aducm3029": 400_000, "cc2650": 400_000}
MOST_FLASH = {"stm32l4": 16 * 1024, "aducm3029": 17 * 1024, "cc2650": 17 * 1024}


@pytest.fixture(scope="module")
def walk() -> Walk:
    return simulate(LOOP, 3)


@pytest.fixture(scope="module")
def student() -> IntegerStudent:
    return load_student(RESULTS / "loop-student.json")


@pytest.fixture(scope="module")
def image(walk: Walk, student: IntegerStudent, tmp_path_factory: pytest.TempPathFactory) -> FusionImage:
    return made(walk, student, "stm32l4", tmp_path_factory.mktemp("fusion"))


def test_the_step_stays_within_its_budget_with_wait_states(image: FusionImage, walk: Walk, student) -> None:
    board = load_board("stm32l4")
    device = EmulatedDevice(
        image.elf, board, measure=True, timing=timing_of(board, board.clock.flash_wait_states, True)
    )
    run_walk(FusionClient(device), walk, student, SETTINGS, seconds=2.0)
    cost = costs_by_entry(device.runs)["tl_fusion_ranges"]
    without = max(run.cycles for run in device.runs)
    assert board.clock.flash_wait_states > 0 and without < cost.most <= MOST_CYCLES["stm32l4"]


def made(walk: Walk, student: IntegerStudent, board: str, folder: Path) -> FusionImage:
    compile_fusion(student, SETTINGS, walk.anchors_m, folder / "generated")
    (folder / "work").mkdir()
    return build_fusion(folder / "generated", load_board(board), folder / "work", "Os")


def talk(image: FusionImage) -> FusionClient:
    return FusionClient(EmulatedDevice(image.elf, load_board("stm32l4")))


@pytest.mark.parametrize("board", MOST_CYCLES)
def test_a_walk_on_each_board(board: str, walk: Walk, student: IntegerStudent, tmp_path: Path) -> None:
    image = made(walk, student, board, tmp_path)
    device = EmulatedDevice(image.elf, load_board(board), measure=True)
    client = FusionClient(device)
    assert client.hello().inputs == len(walk.anchors_m)
    outcome = run_walk(client, walk, student, SETTINGS, seconds=6.0)
    assert len(outcome.fixes) == 30 and outcome.apart_m < TOLERANCE_M
    costs = costs_by_entry(device.runs)
    assert costs["tl_fusion_ranges"].most <= MOST_CYCLES[board]
    assert outcome.fixes[-1].cycles == pytest.approx(device.runs[-1].cycles, rel=0.01), "the device's own count"
    assert image.fusion_flash <= MOST_FLASH[board]
    stack = outcome.fixes[-1].stack_high_water
    assert 0 < stack <= image.stack.bytes <= load_board(board).build.stack_bytes
    assert image.state + image.stack.bytes <= 3 * 1024


def test_the_order_is_kept_and_a_lost_answer_is_given_again(image: FusionImage, walk: Walk) -> None:
    client = talk(image)
    client.hello()
    with pytest.raises(DeviceRestarted):
        client.ranges(0.1, walk.ranges_m[0])
    client.walk(0.5, 0.0)
    first = client.ranges(0.1, walk.ranges_m[0])
    client._seq -= 1  # the host did not hear it
    again = client.ranges(0.1, walk.ranges_m[0])
    assert again == first
    client._seq += 3
    with pytest.raises(DeviceRefused, match="out of order"):
        client.ranges(0.5, walk.ranges_m[1])


def test_frames_that_do_not_fit_are_refused(image: FusionImage, walk: Walk) -> None:
    client = talk(image)
    client.hello()
    client.walk(0.5, 0.0)
    bad = {
        Message.IMU: [b"", b"\0", bytes([IMU_MAX + 1]) + bytes(8 + 28 * (IMU_MAX + 1)), b"\2" + bytes(8 + 28)],
        Message.RANGES: [b"", bytes(8 + 4 * len(walk.anchors_m) + 1)],
        Message.WALK: [bytes(7)],
    }
    for kind, bodies in bad.items():
        for body in bodies:
            with pytest.raises(LinkError, match=r"length did not fit|too long"):
                client._ask(kind, body, Message.FIX)
            client._seq = 1  # of the WALK: nothing was taken, nor given up as lost
    with pytest.raises(DeviceRefused, match="does not know frame type"):
        client.reset()
    assert client.ranges(0.1, walk.ranges_m[0]).status in range(4)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -3.0, 3e38])
def test_spoilt_ranges_and_samples_never_reach_the_answer(image: FusionImage, walk: Walk, spoilt: float) -> None:
    client = talk(image)
    client.walk(0.5, 0.0)
    for n in range(20):
        ranges = walk.ranges_m[n].copy()
        ranges[n % len(ranges)] = spoilt
        values = np.full((9, 3), spoilt if n % 3 else 1.0)
        client.imu(np.linspace(0.2 * n, 0.2 * n + 0.1, 9), values, values)
        fix = client.ranges(0.2 * n + 0.15, ranges)
        assert np.isfinite([fix.x_m, fix.y_m, fix.xx_m2, fix.yy_m2]).all()


@pytest.mark.parametrize(
    ("k", "heading", "detail"),
    [
        (0.0, 0.0, 1),
        (-1.0, 0.0, 1),
        (np.nan, 0.0, 1),
        (1e38, 0.0, 1),
        (1.0, np.inf, 2),
        (1.0, np.nan, 2),
        (1.0, 1e4, 2),
    ],
)
def test_a_walk_that_cannot_be_is_refused_and_the_one_before_goes_on(
    image: FusionImage, walk: Walk, k: float, heading: float, detail: int
) -> None:
    client = talk(image)
    client.walk(0.5, 0.0)
    client.ranges(0.1, walk.ranges_m[0])
    with pytest.raises(DeviceRefused) as refused:
        client.walk(k, heading)
    assert (refused.value.error.code, refused.value.error.detail) == (ErrorCode.VALUE, detail)
    assert client.ranges(0.3, walk.ranges_m[1]).counts["good"] == 2


def test_an_epoch_half_an_hour_ahead_and_a_silence_do_not_freeze_the_position(image: FusionImage, walk: Walk) -> None:
    client = talk(image)
    client.walk(0.5, 0.0)
    times = [0.2, 0.4, 1800.4, *(0.6 + 0.2 * n for n in range(6)), 2400.0 + 1.6]
    fixes = [client.ranges(time, walk.ranges_m[0]) for time in times]
    assert [fix.valid for fix in fixes] == [True] * 3 + [False] * 4 + [True] * 3
    assert [n for n, fix in enumerate(fixes) if fix.restarted] == [2, 7, 9]
    assert [n for n, fix in enumerate(fixes) if fix.backwards] == [3, 4, 5, 6, 7]
    counts = fixes[-1].counts
    assert (counts["restarts"], counts["backwards"], counts["gaps"], counts["good"]) == (3, 5, 2, len(times))


@pytest.mark.parametrize("time", [-0.1, np.nan, np.inf, 1e10])
def test_a_time_that_is_none_is_not_sent(image: FusionImage, walk: Walk, time: float) -> None:
    client = talk(image)
    client.walk(0.5, 0.0)
    with pytest.raises(LinkError, match="count from the start"):
        client.ranges(time, walk.ranges_m[0])
    with pytest.raises(LinkError, match="count from the start"):
        client.imu(np.array([time]), np.zeros((1, 3)), np.zeros((1, 3)))
    assert client.ranges(0.2, walk.ranges_m[0]).counts["good"] == 1


def test_samples_hours_apart_go_into_frames_of_their_own(image: FusionImage) -> None:
    client = talk(image)
    client.walk(0.5, 0.0)
    before = client.counts.requests
    client.imu(np.array([0.0, 0.01, 9000.0, 9000.01]), np.ones((4, 3)), np.zeros((4, 3)))
    assert client.counts.requests == before + 2


def test_a_fix_that_no_firmware_sends_is_refused() -> None:
    good = bytes(2) + bytes(20) + bytes(6) + bytes(28)
    assert not parse_fix(good).valid
    negative = good[:10] + b"\0\0\x80\xbf" + good[14:]
    spoilt = [good[:-1], b"\x10" + good[1:], b"\3" + good[1:], b"\1\4" + good[2:], negative]
    for body in (*spoilt, good[:2] + b"\0\0\xc0\x7f" + good[6:]):
        with pytest.raises(FrameError):
            parse_fix(body)


def test_an_image_that_classifies_is_told_apart(tmp_path: Path) -> None:
    generated = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"
    board = load_board("stm32l4")
    elf = build_firmware(generated, board, tmp_path / "image").elf
    with pytest.raises(LinkError, match="the image has no fusion"):
        FusionClient(EmulatedDevice(elf, board)).hello()


def test_a_client_of_scans_finds_no_classes(image: FusionImage) -> None:
    assert DeviceClient(EmulatedDevice(image.elf, load_board("stm32l4"))).hello().classes == 0
