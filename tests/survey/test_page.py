"""The page in Chromium: a whole survey by pointer, by keyboard, small and large, light and dark."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import CHROMIUM, needs_chromium
from tests.survey.desks import survey_page
from tests.survey.homes import walked, write_recording
from tests.survey.test_recorder import Silent
from tinyloc.survey.readings import Reading
from tinyloc.survey.session import About, read_session

HOSTILE = "<img src=x onerror=alert(1)>"
SIZES = ((390, 844), (1280, 800))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, address: str) -> Iterator[tuple[Page, list[str]]]:
    """The page in a browser, and what it complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(10_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
    page.goto(address)
    page.wait_for_selector("[role=tab]")
    yield page, said
    context.close()


def until(page: Page, expression: str, arg=None, timeout: int = 10_000) -> None:
    """Wait until an expression holds; Playwright's own waiting evaluates text in the page, which its policy forbids."""
    for _ in range(timeout // 50):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not so within {timeout} ms: {expression}\n{page.inner_text('body')}")


def tap(page: Page, across: float, down: float) -> None:
    box = page.locator("#plan").bounding_box()
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])


def draw_room(page: Page, name: str, corners: tuple[float, float, float, float]) -> None:
    count = page.locator("polygon.room").count()
    tap(page, corners[0], corners[1])
    tap(page, corners[2], corners[3])
    until(page, f"document.querySelectorAll('polygon.room').length === {count + 1}")
    until(page, "document.activeElement.tagName === 'INPUT'")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    until(page, "name => [...document.querySelectorAll('.roomname')].some(n => n.textContent === name)", arg=name)


def add_replay(page: Page, path: Path, speed: str = "0") -> None:
    page.click("#tab-record")
    add_source(page, str(path), speed)


def add_source(page: Page, text: str, speed: str = "0") -> None:
    page.click("text=Add a source")
    page.fill("[name=source]", text)
    page.get_by_label("Replay speed").fill(speed)
    page.click("#add")


@needs_chromium
def test_a_survey_is_drawn_recorded_labelled_and_checked(tmp_path: Path, browser: Browser) -> None:
    recording = write_recording(tmp_path / "walk.csv", minutes=2, stay_s=20, rooms=("hall", "kitchen"))
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        draw_room(page, "hall", (0.2, 0.3, 0.4, 0.7))
        draw_room(page, "kitchen", (0.5, 0.3, 0.7, 0.7))
        page.click("#tab-record")
        page.fill("[name=person]", HOSTILE)
        page.fill("[name=device]", "band")
        page.click("#start")
        page.wait_for_selector("#status.on")
        add_replay(page, recording)
        until(page, "document.body.innerText.includes('walk.csv (ended)')")
        until(page, "document.querySelector('#status').innerText.includes('nothing is heard any more')")
        assert "Heard last" in page.inner_text("#panel") and "Heard now" not in page.inner_text("#panel")
        tap(page, 0.3, 0.5)
        until(page, "document.querySelector('.room.here')?.dataset.room === 'hall'")
        page.keyboard.press("2")
        until(page, "document.querySelector('.room.here')?.dataset.room === 'kitchen'")
        page.click("#end")
        page.wait_for_selector("#start")
        page.click("#tab-check")
        until(page, "document.querySelector('.advice').innerText.includes('second round')")
        assert page.locator("#panel img").count() == 0 and HOSTILE in page.inner_text("#panel")
        assert said == []
        (session,) = desk.project.sessions.iterdir()
        found = read_session(session)
        assert found.about.person == HOSTILE and len(found.readings) > 400
        assert [mark.room for mark in found.marks][-2:] == ["hall", "kitchen"]
        assert [room.name for room in desk.project.plan.rooms] == ["hall", "kitchen"]


@needs_chromium
def test_the_page_fits_small_and_large_screens_light_and_dark(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (_, address), opened(browser, address) as (page, said):
        draw_room(page, "a room with quite a long name", (0.2, 0.3, 0.4, 0.7))
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for tab in ("draw", "record", "check"):
                    page.click(f"#tab-{tab}")
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, tab)
                    box = page.locator("#plan").bounding_box()
                    assert box["width"] > 0.6 * width and box["height"] > 200
                colours = page.evaluate(
                    "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
                )
                light = [sum(int(part) for part in one[4:-1].split(",")) for one in colours]
                assert (light[0] < light[1]) == (scheme == "light") and abs(light[0] - light[1]) > 400
        assert said == []


@needs_chromium
def test_a_room_is_drawn_and_a_place_is_marked_by_keyboard_alone(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        page.focus("#plan")
        for keys in ("ArrowLeft ArrowDown", "ArrowRight " * 12 + "ArrowUp " * 12):
            for key in keys.split():
                page.keyboard.press(key)
            page.keyboard.press("Enter")
        until(page, "document.querySelectorAll('polygon.room').length === 1")
        page.focus("#tab-draw")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#start")
        page.focus("#plan")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_selector("circle.me")
        assert desk.recorder.where.x is not None and said == []
        assert page.evaluate("getComputedStyle(document.querySelector('#plan')).outlineStyle") != "none"


@needs_chromium
def test_a_second_page_sees_the_first_ones_plan_and_cannot_undo_it(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, _):
        other = page.context.new_page()
        other.goto(address)
        draw_room(page, "hall", (0.2, 0.3, 0.4, 0.7))
        other.wait_for_selector("polygon.room")
        until(page, "document.querySelector('#status').textContent.includes('2 pages open')")
        assert len(desk.project.plan.rooms) == 1


@needs_chromium
def test_ids_are_named_merged_and_ignored_on_the_page(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        for name in (HOSTILE, "old", "new"):
            desk.recorder.take(Reading(None, name, -60))
        page.click("#tab-record")
        row = page.locator("li.level", has_text="old").first
        row.locator("summary").click()
        row.locator("select").select_option("new")
        row.get_by_role("button", name="Merge").click()
        until(page, "document.querySelectorAll('li.level').length === 2")
        row = page.locator("li.level", has_text="new").first
        row.locator("summary").click()
        row.locator("[name=idname]").fill(HOSTILE + " 2")
        row.get_by_role("button", name="Save").click()
        until(page, "name => document.querySelector('#panel').innerText.includes(name)", arg=HOSTILE + " 2")
        row = page.locator("li.level").first
        row.locator("summary").click()
        row.get_by_role("button", name="Ignore").click()
        until(page, "document.querySelector('#panel').innerText.includes('1 ignored ids')")
        assert desk.project.ids.merged == {"old": "new"} and desk.project.ids.ignored == [HOSTILE]
        assert page.locator("#panel img").count() == 0 and said == []


@needs_chromium
def test_phones_are_folded_and_offered_to_ignore_and_beacons_are_sorted(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        desk.recorder.add_source(Silent("port"))
        for name, dbm, count in (("weak", -90, 9), ("strong", -40, 2), ("middle", -60, 5)):
            for _ in range(count):
                desk.recorder.take(Reading(None, name, dbm))
        for number in range(20):
            desk.recorder.take(Reading(None, f"5{number % 10}:{number:02x}:aa:bb:cc:dd", -30))
        page.click("#tab-record")
        until(page, "document.querySelectorAll('#levels > li').length === 3")
        order = "[...document.querySelectorAll('#levels b')].map(n => n.textContent).join()"
        until(page, f"{order} === 'strong,middle,weak'")
        page.get_by_label("Order of what is heard").select_option("most readings first")
        until(page, f"{order} === 'weak,middle,strong'")
        assert "20 ids that look like phones" in page.inner_text("#phones")
        assert "3 beacons" in page.inner_text("#status"), "phones are no beacons"
        page.get_by_role("button", name="Ignore these and later ones").click()
        until(page, "document.querySelector('#phones').hidden")
        desk.recorder.take(Reading(None, "6a:00:01:02:03:04", -30))
        until(page, "document.querySelector('#offers').innerText.includes('Hear phones again')")
        assert [one["id"] for one in desk.recorder.snapshot()["levels"]] == ["middle", "strong", "weak"]
        assert said == []


@needs_chromium
def test_banners_can_be_closed_and_end_with_their_cause(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        desk.recorder.add_source(Silent("port"))
        desk.recorder.state("port", "waiting", "port is gone; connect it again, the session goes on")
        page.wait_for_selector("#alert p.bad >> text=port is gone")
        desk.recorder.state("port", "running")
        until(page, "document.querySelector('#alert').hidden")
        desk.recorder.state("port", "waiting", "port is gone; again")
        page.get_by_role("button", name="Close: port is gone; again").click()
        until(page, "document.querySelector('#alert').hidden")
        page.wait_for_timeout(400)
        assert page.locator("#alert").is_hidden(), "it stays closed while the cause lasts"
        page.click("#tab-record")
        add_source(page, "/dev/nope")
        page.wait_for_selector("#alert >> text=no such port or file")
        page.click("#tab-draw")
        until(page, "document.querySelector('#alert').hidden")
        assert all("400" in one for one in said), "the refused request only"


@needs_chromium
def test_a_refused_rename_shows_the_old_name_again(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, _):
        draw_room(page, "hall", (0.2, 0.3, 0.4, 0.7))
        draw_room(page, "kitchen", (0.5, 0.3, 0.7, 0.7))
        page.get_by_label("Name of kitchen").fill("hall")
        page.keyboard.press("Tab")
        page.wait_for_selector("#alert >> text=two rooms are called")
        assert page.get_by_label("Name of kitchen").input_value() == "kitchen"
        assert [room.name for room in desk.project.plan.rooms] == ["hall", "kitchen"]


@needs_chromium
def test_a_new_floor_is_shown_named_and_the_last_empty_one_can_be_removed(tmp_path: Path, browser: Browser) -> None:
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        draw_room(page, "hall", (0.2, 0.3, 0.4, 0.7))
        page.get_by_role("button", name="Add a floor").click()
        until(page, "document.activeElement.getAttribute('aria-label') === 'Name of floor floor 1'")
        page.keyboard.type("attic")
        page.keyboard.press("Tab")
        page.wait_for_selector("#floors button[aria-pressed=true] >> text=attic")
        assert page.locator("polygon.room").count() == 0
        page.get_by_role("button", name="Remove floor attic").click()
        until(page, "document.querySelectorAll('#floors button').length === 0")
        assert [floor.name for floor in desk.project.plan.floors] == ["ground floor"]
        page.get_by_role("button", name="Add a floor").click()
        until(page, "document.activeElement.getAttribute('aria-label') === 'Name of floor floor 1'")
        draw_room(page, "bed", (0.2, 0.3, 0.4, 0.7))
        page.click("#tab-record")
        page.get_by_role("button", name="hall").click()
        page.wait_for_selector("#floors button[aria-pressed=true] >> text=ground floor")
        page.get_by_role("button", name="bed").click()
        until(page, "document.querySelector('.room.here')?.dataset.room === 'bed'")
        assert desk.recorder.where.floor == 1 and said == []


@needs_chromium
def test_the_tapped_path_is_drawn_and_check_offers_positions_and_names_the_test_session(
    tmp_path: Path, browser: Browser
) -> None:
    walked(tmp_path, [("Anna", "2026-11-29"), ("Ben", "2026-11-30")], path=True).close()
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        page.click("#tab-check")
        page.wait_for_selector(".role.test")
        assert "2026-11-30-Ben-1" in page.inner_text("#tested") and "another person" in page.inner_text("#tested")
        assert page.locator("[name=learn]").input_value() == "positions"
        page.wait_for_selector("rect.covered")
        clip = page.evaluate("document.querySelector('rect.covered').parentNode.getAttribute('clip-path')")
        assert clip == "url(#in-rooms)" and page.locator("#in-rooms polygon").count() == 2
        desk.recorder.start_session(About(person="Cleo", device="band", day="2026-12-01"))
        page.click("#tab-record")
        page.get_by_label("Taps are steps").check()
        for across in (0.3, 0.5, 0.6):
            tap(page, across, 0.5)
        until(page, "document.querySelectorAll('circle.tapped').length === 3")
        assert page.locator("line.walked").count() == 2
        page.get_by_label("Taps are steps").uncheck()
        tap(page, 0.4, 0.6)
        until(page, "document.querySelectorAll('circle.tapped').length === 4")
        assert page.locator("line.walked").count() == 2, "a point where one stands ends no walk"
        assert said == []


@needs_chromium
def test_an_ended_replay_says_so_and_is_played_again(tmp_path: Path, browser: Browser) -> None:
    recording = write_recording(tmp_path / "walk.csv", minutes=0.3)
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        add_replay(page, recording)
        page.wait_for_selector("#alert p.info >> text=walk.csv is replayed to its end")
        heard = desk.recorder.counts.taken
        page.locator("#alert").get_by_role("button", name="Play again").click()
        until(page, "document.querySelector('#alert').innerText.includes('replayed to its end')")
        page.wait_for_timeout(300)
        assert desk.recorder.counts.taken == 2 * heard and said == []


@needs_chromium
def test_a_verdict_stands_above_everything_else(tmp_path: Path, browser: Browser) -> None:
    verdict = {
        "headline": "Passed", "agreement": "All answers equal.", "fitting": "It fits.", "decisions": 100,
        "accuracy": 0.4, "macro_f1": 0.3, "errors_m": {"p50": 1.25, "p90": 3.5}, "chance": "", "run": "runs/home",
        "budget": [{"name": "flash", "used": 6000, "limit": 32768, "unit": "B", "ok": True}],
    }  # fmt: skip
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.click("#tab-check")
            page.locator("#panel").evaluate("node => node.scrollTo(0, 1e6)")
            desk.job.learn, desk.job.verdict = "positions", {**verdict, "decisions": 100 + width}
            until(page, f"document.querySelector('#verdict')?.innerText.includes('{100 + width} decisions')")
            box = page.locator("#verdict .big").bounding_box()
            assert 0 <= box["y"] < height - 30, (width, box)
            assert "Median error 1.25 m, 90 % within 3.50 m" in page.inner_text("#verdict")
        assert said == []


@needs_chromium
@pytest.mark.slow
def test_from_a_replayed_home_to_a_verdict_and_a_dot_that_moves(tmp_path: Path, browser: Browser) -> None:
    """The whole way, no file edited by hand: draw, replay two rounds, train, see the verdict, see the model at work."""
    first = write_recording(tmp_path / "first.csv", minutes=6, stay_s=30, rooms=("hall", "kitchen"))
    second = write_recording(tmp_path / "second.csv", minutes=4, seed=2, stay_s=30, rooms=("hall", "kitchen"))
    with survey_page(tmp_path / "home") as (desk, address), opened(browser, address) as (page, said):
        draw_room(page, "hall", (0.2, 0.3, 0.4, 0.7))
        draw_room(page, "kitchen", (0.5, 0.3, 0.7, 0.7))
        page.click("#tab-record")
        for person, day, path in (("Anna", "2026-11-29", first), ("Ben", "2026-11-30", second)):
            page.fill("[name=person]", person)
            page.fill("[name=device]", "band")
            page.fill("[name=day]", day)
            page.click("#start")
            page.wait_for_selector("#status.on")
            if page.locator("text=Add a source").get_attribute("open") is None and person == "Anna":
                page.click("text=Add a source")
            page.fill("[name=source]", str(path))
            page.get_by_label("Replay speed").fill("0")
            page.click("#add")
            until(page, f"document.body.innerText.includes('{path.name} (ended)')")
            page.click("#end")
            page.wait_for_selector("#start")
        page.click("#tab-check")
        until(page, "document.querySelector('.advice').innerText.includes('Train now')")
        page.click("#train")
        page.wait_for_selector("#verdict", timeout=600_000)
        assert "Passed on cc2650" in page.inner_text("#verdict") and said == []
        assert any("another person on another day" in line for line in desk.job.lines)
    run = tmp_path / "home" / "runs" / "home"
    command = [
        sys.executable,
        "-m",
        "tinyloc",
        "live",
        str(run),
        "--no-browser",
        "--replay",
        str(second),
        "--speed",
        "20",
    ]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(word for word in live.stdout.readline().split() if word.startswith("http"))
        with opened(browser, address) as (page, said):
            page.wait_for_selector("circle.dot")
            until(page, "document.querySelector('#panel').innerText.includes('decisions right')", timeout=60_000)
            assert said == []
    finally:
        live.terminate()
        live.wait()
