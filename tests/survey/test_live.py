"""A model at work: the page's answers are the device's, scans are combined as in training, bad links are told."""

import csv
import json
import threading
from collections import deque
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.browser import CHROMIUM, needs_chromium
from tests.pty_bridge import PtyBridge
from tests.survey.homes import walked
from tests.survey.test_recorder import ANNA, replay
from tinyloc.api.run_layout import RunLayout
from tinyloc.api.steps import build_image, generate
from tinyloc.boards import load_board
from tinyloc.bundle.schema import Crf, load_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.link.persistent_port import PersistentPort
from tinyloc.device.link.serial_port import SerialPort
from tinyloc.device.link.transport import LinkError
from tinyloc.device.zoo.models import WALK, load_card, unpack
from tinyloc.errors import UserError
from tinyloc.paths import ZOO_DIR
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.demo import demo_of
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.fusion_walks import PlayedWalk, build_walk, find_walk
from tinyloc.survey.live_desk import live_desk
from tinyloc.survey.live_fusion import LiveFusion
from tinyloc.survey.live_model import Judge, LiveModel, class_places, report_lines, score_scale
from tinyloc.survey.plan import Plan, PlanFloor, PlanRoom
from tinyloc.survey.project import Project
from tinyloc.survey.room_probabilities import marginals, room_probabilities, softmax
from tinyloc.survey.scans import Scan
from tinyloc.survey.serve import serving
from tinyloc.survey.session import Mark, read_session
from tinyloc.survey.training_job import TrainingJob
from tinyloc.training.data.catalogue import search_places
from tinyloc.training.fusion.recordings.published import LIAS, TREK
from tinyloc.training.fusion.recordings.write import save_walk
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import site

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


def test_the_report_s_figures_are_errors_for_a_position_model_and_scores_for_rooms(tmp_path: Path) -> None:
    board = load_board(BOARD)
    for name, told in (("uji-position", "median error 4.75 m, 90 % within 15.44 m"), ("ble-flat", "macro F1 0.810")):
        assert told in report_lines(tmp_path, board, load_bundle(ZOO_DIR / name), "int8")[0]


def test_a_zoo_model_shows_its_card_s_figures_for_the_integers_to_compare(tmp_path: Path) -> None:
    for name in ("ble-flat", "uji-position"):
        unpack(name, tmp_path / name)
        card, bundle = load_card(name), load_bundle(ZOO_DIR / name)
        quality, cost = report_lines(tmp_path / name, load_board(card.board), bundle, "int8")[1:3]
        assert f"{card.arithmetic}, test set of {card.test_samples:,} samples" in quality
        error = f"median error {card.errors_m['p50']:.2f} m"
        assert (error if bundle.outputs.position == "mean" else f"accuracy {card.accuracy:.3f}") in quality
        assert f"{card.boards[card.board].cycles:,.0f} cycles" in cost and card.board in cost
    (tmp_path / "ble-flat" / "zoo.json").write_text('{"zoo": "../x", "model": ""}')
    assert len(report_lines(tmp_path / "ble-flat", load_board(BOARD), load_bundle(ZOO_DIR / "ble-flat"), "int8")) == 1


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
    desk.recorder.end_session()
    model.wait_idle()
    assert model.answers == 40 and model.skipped == 0, "the last scan ends with the session"
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


@pytest.mark.parametrize("ends", [True, False])
def test_marginals_are_those_of_all_paths_counted_one_by_one(ends: bool) -> None:
    generator = np.random.default_rng(1)
    crf = Crf(
        **{
            name: generator.normal(size=size).tolist()
            for name, size in (("transitions", (3, 3)), ("start", 3), ("end", 3))
        }
    )
    scores = generator.normal(0, 2, size=(4, 3))
    expected = np.zeros((4, 3))
    for path in product(range(3), repeat=4):
        total = crf.start[path[0]] + sum(scores[t, room] for t, room in enumerate(path)) + ends * crf.end[path[-1]]
        total += sum(crf.transitions[a][b] for a, b in pairwise(path))
        expected[range(4), path] += np.exp(total)
    assert np.allclose(marginals(scores, crf, ends), expected / expected[0].sum())
    assert np.allclose(room_probabilities(scores, None, online=False), softmax(scores).mean(axis=0))


def test_headline_bars_and_dot_agree_on_the_demo_s_walk(built: RunLayout) -> None:
    """At least 19 of 20 decisions on the recorded walk name the likeliest room; of single scans two of three do."""
    bundle = load_bundle(built.bundle)
    reference = LocaliserReference(built.bundle, "int16x8", "native", "tinyloc")
    reference.reset()
    rows = list(csv.DictReader((ZOO_DIR / "ble-flat" / WALK).read_text().splitlines()))
    names = bundle.preprocessing.access_points
    window: deque[np.ndarray] = deque(maxlen=bundle.window.steps)
    scale, decisions, agree, alone = score_scale(built.bundle, "int16x8"), 0, 0, 0
    for row in rows:
        heard = [(index, int(row[name])) for index, name in enumerate(names) if row[name]]
        answer = reference.sample(np.array([h[0] for h in heard], np.uint16), np.array([h[1] for h in heard], np.int8))
        window.append(answer.scores * scale)
        if answer.class_index >= 0:
            decisions += 1
            agree += room_probabilities(np.array(window), bundle.crf, False).argmax() == answer.class_index
            alone += answer.scores.argmax() == answer.class_index
    print(f"{decisions} decisions: {agree} agree with the bars, {alone} with the newest scan alone")
    assert decisions > 200 and agree >= 0.95 * decisions and agree > alone


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


def test_a_board_that_is_unplugged_is_told_on_the_page_and_waited_for(built: RunLayout) -> None:
    board = load_board(BOARD)
    device = EmulatedDevice(built.firmware(BOARD) / "firmware.elf", board, measure=True)
    said: list[str] = []
    with PtyBridge(device) as bridge:
        port = PersistentPort(lambda: SerialPort(bridge.port, board.uart.baud), tell=lambda text: tells(text))
        live = LiveModel(built.path, built.generated("int16x8"), board, port)

        def tells(text: str) -> None:
            live.tell(text)
            said.append(live.snapshot()["problem"])

        live.on_scan(some_scans(1)[0], HERE)
        live.wait_idle()
        port._port.close()
        live.on_scan(some_scans(1)[0], HERE)
        live.wait_idle()
        assert "is gone; connect the board again" in said[0] and said[1].endswith("is back")
        assert live.answers == 2 and live.snapshot()["problem"] == ""
        live.close()


def test_the_folder_in_a_run_follows_the_survey_that_trained_it(
    tmp_path: Path, built: RunLayout, model: LiveModel
) -> None:
    run = tmp_path / "home" / "runs" / "home"
    survey = Project(tmp_path / "home")
    for name in ("hall", "large hall"):
        floor = PlanFloor(name="ground floor", image="floor-0.png", width_px=4, height_px=3)
        room = PlanRoom(name=name, outline=[(0, 0), (2, 0), (2, 2)])
        survey.set_plan(Plan(floors=[floor], rooms=[room]))
        survey.set_ids(Aliases().with_merged("old", name))
        (tmp_path / "home" / "floor-0.png").write_bytes(name.encode())
        desk = live_desk(model, run, run / "live", BOARD)
        assert [room.name for room in desk.project.plan.rooms] == [name] and desk.project.ids.resolve("old") == name
        assert (run / "live" / "floor-0.png").read_bytes() == name.encode()
        desk.recorder.close()
        desk.project.close()
    survey.close()


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


def cut(played: PlayedWalk, epochs: int) -> PlayedWalk:
    """The first epochs of a walk."""
    walk = played.walk
    short = replace(walk, time_s=walk.time_s[:epochs], ranges_m=walk.ranges_m[:epochs], truth_m=walk.truth_m[:epochs])
    return replace(played, walk=short)


def play(played: PlayedWalk, folder: Path) -> LiveFusion:
    """Send a walk to the emulated board as fast as it goes."""
    board = load_board(BOARD)
    live = LiveFusion(played, EmulatedDevice(build_walk(played, board, folder).elf, board), board, speed=0)
    live.wait(100.0)
    assert live.problem == "" and len(live.fixes) == len(played.walk.time_s)
    return live


def test_an_own_recording_shows_fixes_dead_reckoning_and_the_fused_path(tmp_path: Path) -> None:
    """The format of an own recording; this one is written from a simulated walk, and its truth has holes."""
    walk = simulate(site("corridor"), 5)
    truth = walk.truth_m.copy()
    truth[::3] = np.nan
    save_walk(replace(walk, truth_m=truth), tmp_path / "own")
    (tmp_path / "work").mkdir()
    live = play(cut(find_walk(str(tmp_path / "own")), 40), tmp_path / "work")
    shown = live.snapshot()
    assert json.loads(json.dumps(shown, allow_nan=False))["heading"] == "Fused position"
    assert len(shown["lines"]["dead"]) == 40 and len(shown["lines"]["fixes"]) > 30 and len(shown["trail"]) > 30
    assert all(part in shown["truth"] for part in ("fused", "UWB fixes", "dead reckoning"))
    assert shown["note"].endswith("the walk ended after 40 epochs")
    told = " ".join(live.about()["lines"])
    assert "Own recording own" in told and "inertial sensor at 100 Hz" in told and "tuned on this recording" in told
    assert {beacon.id for beacon in live.plan().beacons} == {f"A{n}" for n in range(1, len(walk.anchors_m) + 1)}
    live.close()


def test_a_recording_without_an_inertial_sensor_shows_what_it_has_and_its_prediction_by_name(tmp_path: Path) -> None:
    walk = simulate(site("room"), 3)
    assert walk.imu is None
    played = replace(
        find_walk("loop"), walk=walk, lines=["made up"], anchor_names=[f"a{n}" for n in range(len(walk.anchors_m))]
    )
    live = play(cut(played, 20), tmp_path)
    shown = live.snapshot()
    assert "dead" not in shown["lines"] and "dead reckoning" not in shown["truth"] and "UWB fixes" in shown["truth"]
    assert "constant velocity" in " ".join(live.about()["lines"])
    live.close()


def test_a_walk_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"fusion:moon: no such walk; there are corridor and loop \(simulated\)"):
        find_walk("moon")


@pytest.mark.slow
@pytest.mark.skipif(
    not all(any((place / name).is_dir() for place in search_places()) for name in (LIAS, TREK)),
    reason="data sets not here",
)
def test_published_recordings_are_played_with_their_truth(tmp_path: Path) -> None:
    for name in ("trek-m1l", "lias-mid-t0"):
        (tmp_path / name).mkdir()
        live = play(cut(find_walk(name), 60), tmp_path / name)
        assert "RMSE so far" in live.snapshot()["truth"] and "real ranges" in live.about()["lines"][0]
        live.close()
    with pytest.raises(SurveyError, match="trek-m1l"):
        find_walk("trek-nothing")


@pytest.mark.slow
def test_a_simulated_walk_shows_the_device_s_fixes(tmp_path: Path) -> None:
    live = play(cut(find_walk("corridor"), 12), tmp_path)
    shown, last = live.snapshot(), live.fixes[-1]
    assert last.valid and shown["dot"]["x"] == round(last.x_m, 2)
    assert len(shown["lines"]["truth"]) == len(shown["lines"]["dead"]) == 12
    assert "RMSE so far: fused" in shown["truth"] and "simulated" in live.about()["lines"][0]
    live.close()


@pytest.mark.slow
def test_a_survey_of_taps_trains_a_position_model_whose_live_answer_is_a_place(tmp_path: Path) -> None:
    """Readings are simulated; the second round by another person is the test set."""
    project = walked(tmp_path, [("Anna", "2026-11-29"), ("Ben", "2026-11-30")], path=True)
    job = TrainingJob(project, BOARD)
    job.start(learn="positions")
    assert job.wait(600) == "done", [*job.lines]
    assert job.verdict is not None and job.verdict["headline"] == "Passed"
    assert job.verdict["errors_m"]["p50"] < 2.0, "the plan is 9 m x 6 m"
    layout = RunLayout(Path(job.verdict["run"]))
    board = load_board(BOARD)
    device = EmulatedDevice(layout.firmware(BOARD) / "firmware.elf", board, measure=True)
    desk = live_desk(
        LiveModel(layout.path, layout.generated("int8"), board, device), layout.path, tmp_path / "live", BOARD
    )
    assert [room.name for room in desk.project.plan.rooms] == ["w", "e"], "the plan of the survey"
    model = desk.live.model
    scan = Scan(0.0, {f"c0:00:00:00:00:0{beacon}": [level] for beacon, level in enumerate((-49, -77, -73, -65))})
    model.on_scan(scan, Mark(time_s=0.0, room="w", x=1.0, y=1.0))
    model.wait_idle()
    shown = desk.now()["live"]
    assert shown["places"] and shown["rooms"] == [] and shown["room"].startswith("w, ") and shown["dot"]["x"] < 4.5
    assert shown["truth"].startswith("median error") and "decisions right" not in shown["truth"]
    desk.close()
