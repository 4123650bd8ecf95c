"""A model at work: the page's answers are the device's, scans are combined as in training, bad links are told."""

import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.browser import CHROMIUM, needs_chromium
from tests.pty_bridge import PtyBridge
from tests.survey.test_recorder import ANNA, replay
from tinyloc.api.run_layout import RunLayout
from tinyloc.api.steps import build_image, generate
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.link.serial_port import SerialPort
from tinyloc.device.link.transport import LinkError
from tinyloc.device.zoo.models import WALK, unpack
from tinyloc.errors import UserError
from tinyloc.paths import ZOO_DIR
from tinyloc.survey.demo import demo_of
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.live_desk import live_desk
from tinyloc.survey.live_model import Judge, LiveModel, class_places, softmax
from tinyloc.survey.scans import Scan
from tinyloc.survey.serve import serving
from tinyloc.survey.session import Mark, read_session

BOARD = "cc2650"
HERE = Mark(time_s=0.0)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> RunLayout:
    """zoo:ble-flat with code and image for the CC2650."""
    layout = RunLayout(tmp_path_factory.mktemp("live") / "ble-flat")
    unpack("ble-flat", layout.path)
    generate(layout, None)
    build_image(layout, load_board(BOARD), None)
    return layout


@pytest.fixture
def model(built: RunLayout):
    board = load_board(BOARD)
    device = EmulatedDevice(built.firmware(BOARD) / "firmware.elf", board, measure=True)
    live = LiveModel(built.path, built.generated("int16x8"), board, device)
    yield live
    live.close()


def some_scans(count: int, seed: int = 1) -> list[Scan]:
    generator = np.random.default_rng(seed)
    return [
        Scan(number / 3, {f"anchor {n}": generator.integers(-90, -45, size=2).tolist() for n in range(1, 7)
                          if generator.random() > 0.2})
        for number in range(count)
    ]  # fmt: skip


def test_the_page_shows_what_the_host_s_integers_say(built: RunLayout, model: LiveModel) -> None:
    reference = LocaliserReference(built.bundle, "int16x8", "native", "tinyloc")
    reference.reset()
    for scan in some_scans(15):
        indices, dbm = model.readings(scan)
        expected = reference.sample(indices, dbm)
        model.on_scan(scan, HERE)
        model.wait_idle()
        assert model.last is not None and np.array_equal(model.last.result.scores, expected.scores)
        assert model.last.result.class_index == expected.class_index
    shown = model.snapshot()
    assert sum(one["share"] for one in shown["rooms"]) == pytest.approx(1.0, abs=1e-3)
    assert shown["room"] in load_bundle(built.bundle).outputs.classes
    tiles = {one["name"]: one["value"] for one in shown["tiles"]}
    assert int(tiles["cycles"].replace(",", "")) > 10_000 and tiles["answers"] == "15" and "µJ" in tiles["energy"]
    assert 0 <= shown["dot"]["x"] <= 9.1 and 0 <= shown["dot"]["y"] <= 7.2 and shown["dot"]["spread"] > 0


def test_readings_of_a_scan_are_combined_as_in_training(model: LiveModel) -> None:
    indices, dbm = model.readings(Scan(0.0, {"anchor 2": [-60, -61], "anchor 1": [-50], "a phone": [-40]}))
    assert indices.tolist() == [0, 1] and dbm.tolist() == [-50, -60], "mean, halves to the even dBm"
    assert "1 ids that the model does not know" in model.snapshot()["note"]
    assert model.readings(Scan(0.0, {}))[0].size == 0


def test_the_accuracy_counts_decisions_and_unknown_apart() -> None:
    judge = Judge()
    judge.add("hall", (1.0, 1.0, 0), Mark(time_s=0.0))
    assert judge.text() == ""
    judge.add("hall", (1.0, 1.0, 0), Mark(time_s=0.0, room="hall", x=1.0, y=3.0))
    judge.add("bed", None, Mark(time_s=0.0, room="hall"))
    judge.add(None, None, Mark(time_s=0.0, room="hall"))
    assert judge.text() == "1 of 2 decisions right (50 %); median error 2.00 m of 1; 1 unknown"


def test_a_link_that_fails_is_told_and_the_next_answer_clears_it(model: LiveModel) -> None:
    whole, failed = model.client.transport, threading.Event()

    class Broken:
        name = "broken"

        def write(self, data: bytes) -> None:
            model.client.transport = whole
            failed.set()
            raise LinkError("the cable is out")

    model.client.transport = Broken()
    model.on_scan(some_scans(1)[0], HERE)
    assert failed.wait(5.0)
    model.wait_idle()
    assert "the cable is out" in model.snapshot()["problem"] and model.snapshot()["dot"] is None
    model.on_scan(some_scans(1)[0], HERE)
    model.wait_idle()
    assert model.snapshot()["problem"] == "" and model.snapshot()["dot"] is not None


def test_the_demo_walks_and_is_recorded_like_any_session(tmp_path: Path, model: LiveModel) -> None:
    demo = demo_of("zoo:ble-flat")
    short = tmp_path / "walk.csv"
    short.write_text("\n".join((ZOO_DIR / "ble-flat" / WALK).read_text().splitlines()[:40]) + "\n")
    desk = live_desk(model, tmp_path / "run", tmp_path / "live", BOARD, demo)
    desk.recorder.start_session(ANNA.model_copy(update={"kind": "live"}))
    desk.mark(room="bedroom")
    replay(desk.recorder, short)
    model.wait_idle()
    desk.recorder.end_session()
    assert model.answers == 39 and model.skipped == 0
    assert desk.now()["live"]["trail"] and "Kolakowski" in " ".join(desk.all()["about_live"]["lines"])
    assert {beacon.id for beacon in desk.project.plan.beacons} == {f"anchor {n}" for n in range(1, 7)}
    assert len(desk.all()["about_live"]["path"]) > 5
    (session,) = desk.project.sessions.iterdir()
    found = read_session(session)
    assert len(found.readings) > 150 and found.marks[0].room == "bedroom"
    assert desk.recorder.book.rooms == {}, "a live session trains nothing"
    desk.close()


def test_scans_that_come_faster_than_answers_are_left_out_and_counted(model: LiveModel, monkeypatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(model, "_ask", lambda scan, where: gate.wait(5.0))
    for scan in some_scans(100):
        model.on_scan(scan, HERE)
    gate.set()
    assert model.skipped >= 30 and "scans left out" in model.snapshot()["note"]


def test_a_model_without_a_walk_says_which_has_one() -> None:
    with pytest.raises(SurveyError, match="zoo:ble-flat"):
        demo_of("zoo:uji")
    assert demo_of("zoo:ble-flat-cc2650").folder.name == "ble-flat"


def test_probabilities_and_places() -> None:
    assert softmax(np.array([0.0, 0.0, np.log(2.0)])).tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert class_places(load_bundle(ZOO_DIR / "ble-flat"))[0, :2].tolist() == pytest.approx([1.32, 4.61])


def test_the_model_answers_on_a_board_at_a_serial_port(built: RunLayout) -> None:
    board = load_board(BOARD)
    device = EmulatedDevice(built.firmware(BOARD) / "firmware.elf", board, measure=True)
    with PtyBridge(device) as bridge:
        live = LiveModel(built.path, built.generated("int16x8"), board, SerialPort(bridge.port, board.uart.baud))
        for scan in some_scans(4):
            live.on_scan(scan, HERE)
        live.wait_idle()
        assert live.answers == 4 and live.problem == "" and live.about()["lines"][0].endswith(f"serial {bridge.port}.")
        live.close()


def test_another_board_than_the_one_asked_for_is_refused(built: RunLayout) -> None:
    device = EmulatedDevice(built.firmware(BOARD) / "firmware.elf", load_board(BOARD))
    with pytest.raises(UserError, match="not a 'stm32l4'"):
        LiveModel(built.path, built.generated("int16x8"), load_board("stm32l4"), device)


@needs_chromium
def test_the_live_page_shows_room_bars_cost_and_truth(tmp_path: Path, model: LiveModel) -> None:
    desk = live_desk(model, tmp_path / "run", tmp_path / "live", BOARD, demo_of("zoo:ble-flat"))
    with serving(desk) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(address)
        page.wait_for_selector("#answer")
        for scan in some_scans(12):
            model.on_scan(scan, HERE)
        model.wait_idle()
        page.wait_for_selector("circle.dot")
        assert page.locator(".tiles div").count() == 6 and page.locator("polygon.room").count() == 6
        page.get_by_role("button", name="kitchen").click()
        page.wait_for_selector("button[aria-pressed=true]")
        assert desk.recorder.where.room == "kitchen" and said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        assert painted > 0
        print(f"first paint after {painted:.0f} ms")
        browser.close()
    desk.close()


@pytest.mark.slow
def test_a_fusion_walk_shows_the_device_s_fixes(tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    from tinyloc.cli.choices import FusionMethod, LevelChoice, Site
    from tinyloc.cli.fusion import RESULTS, made
    from tinyloc.survey.live_fusion import LiveFusion
    from tinyloc.training.fusion.simulation.simulate import simulate
    from tinyloc.training.fusion.simulation.sites import site

    monkeypatch.chdir(Path(__file__).parents[2])
    board = load_board(BOARD)
    image, _, _ = made(Site.CORRIDOR, BOARD, FusionMethod.STEERED, LevelChoice.SIZE, RESULTS, tmp_path)
    whole = simulate(site("corridor"), 5)
    walk = replace(whole, time_s=whole.time_s[:12], ranges_m=whole.ranges_m[:12], truth_m=whole.truth_m[:12])
    live = LiveFusion(walk, EmulatedDevice(image.elf, board), board, "a corridor", speed=0)
    live.wait(60.0)
    shown, last = live.snapshot(), live.fixes[-1]
    assert len(live.fixes) == 12 and live.problem == "" and last.valid
    assert shown["dot"]["x"] == round(last.x_m, 2) and len(shown["lines"]["truth"]) == len(shown["lines"]["dead"]) == 12
    assert "RMSE so far: fused" in shown["truth"] and "simulated" in live.about()["lines"][0]
    assert len(live.plan().beacons) == len(walk.anchors_m)
    live.close()
