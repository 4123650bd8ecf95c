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
from tests.survey.homes import write_recording
from tinyloc.survey.readings import Reading
from tinyloc.survey.session import read_session

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
    page.click("text=Add a source")
    page.fill("[name=source]", str(path))
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
