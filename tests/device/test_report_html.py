"""The HTML page: complete, self-contained, escaped, and readable in a browser."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluation_samples import LAYERS, house_evaluation, uji_evaluation

from tinyloc.device.report.html import parity_stages, render_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]


class Page(HTMLParser):
    """Text, tags and attributes; notices tags that are not closed in order."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def test_the_page_shows_every_part_of_the_evaluation() -> None:
    words = Page(render_html(house_evaluation())).words()
    for figure in (
        "house-a-mamba-h8l1", "Nucleo-L432KC (STM32L432KC)", "Passed", "0.871", "0.902", "0.873", "14.6 KB", "2.2 KB",
        "11,840", "0.148 ms", "37.3 µJ", "living room", "preprocessing and Viterbi", "stack (measured)", "CR2032",
        "00c0ffee12345678", "unicorn 2.1.4", "84 uA/MHz", "none: simulated", "xz · 64 B",
        "latency (largest of 500 modelled)", "localiser's buffers", "204 B", "the image reserves 2.0 KB for it",
        "Floor plan: 2,400 decisions",
    ):
        assert figure in words, figure
    for name, *_ in LAYERS:
        assert name in words


@pytest.mark.parametrize("evaluation", [house_evaluation(), uji_evaluation()], ids=["house", "uji"])
def test_the_page_needs_nothing_from_outside(evaluation: object) -> None:
    page = render_html(evaluation)  # type: ignore[arg-type]
    parsed = Page(page)
    assert not parsed.open
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not {"src", "href", "xlink:href"} & {name for name, _ in parsed.attributes}
    assert "url(" not in page and "@import" not in page and "http" not in page


def test_all_text_is_escaped() -> None:
    evil = "<script>alert('x')</script>\"&"
    evaluation = house_evaluation(
        name=evil, board_title=evil, data=evil, licence=evil, classes=[evil, "b", "c", "d"], transport=evil,
        plan=[{"name": evil, "offset": 0, "size": 64, "first": 0, "last": 3}], plan_steps=[evil],
        layers=[{"name": evil, "operators": [evil], "macs": 1, "constant_bytes": 1, "cycles": 1.0}],
        floor_plan=[{"name": evil, "x": 0, "y": 0, "width": 1, "height": 1}],
        settings={evil: evil}, versions={evil: evil},
        stacks={evil: 5.0, f"{evil};{evil}": 5.0},
        functions=[{"name": evil, "cycles": 1.0, "instructions": 1.0, "calls": 1.0}],
        budget=[{"name": evil, "used": 1.0, "limit": 2.0, "unit": evil, "source": evil}],
    )
    page = render_html(evaluation)
    assert "<script" not in page
    assert "script" not in Page(page).tags
    assert evil in "".join(Page(page).text)


def test_what_was_not_measured_is_left_out_in_words() -> None:
    bare = house_evaluation(
        cycles=None, instructions=None, energy=None, stacks={}, layers=[], functions=[], plan=[], plan_steps=[],
        positions=None, floor_plan=[], budget=[],
    )
    words = Page(render_html(bare)).words()
    assert "No cycles were counted" in words and "No budget was set" in words
    assert "Position error" not in words and "Battery" not in words and "Memory plan" not in words


def test_heights_are_named_only_where_they_differ() -> None:
    assert "height included" not in Page(render_html(house_evaluation())).words()
    upstairs = [[1.0, 1.0, 4.0, 2.0, 1.0, 1.0]]
    assert "stands for, height included." in Page(render_html(house_evaluation(positions=upstairs))).words()


def test_no_cell_outlives_its_shelf() -> None:
    frugal = {"microjoule": 0.01, "study_microjoule": None, "assumptions": "", "volts": 3.0, "sleep_microamp": 0.3}
    words = Page(render_html(house_evaluation(energy=frugal))).words()
    assert "over 10 years" in words and "Over 10 years: the cell's shelf life ends first." in words
    assert "ver 10 years" not in Page(render_html(house_evaluation())).words()


def test_failure_is_seen_first() -> None:
    mismatch = {"index": 17, "device_class": 1, "host_class": -1, "scores_differ": 2}
    over = {"name": "flash", "used": 40_000.0, "limit": 32_768.0, "unit": "B", "source": "recipe"}
    words = Page(render_html(house_evaluation(mismatches=1, first_mismatches=[mismatch], budget=[over]))).words()
    assert words.index("Answers differ") < words.index("Macro F1")
    assert "flash 39.1 KB of 32.0 KB" in words
    assert "17 kitchen none 2" in words


def test_many_classes_become_a_picture_with_the_worst_confusions() -> None:
    page = render_html(uji_evaluation())
    words = Page(page).words()
    assert "Most frequent confusions" in words and "Classes with the lowest F1" in words
    assert page.count("decided ") > 59


def test_settings_are_shown_line_by_line_and_parity_as_a_table() -> None:
    words = Page(render_html(house_evaluation())).words()
    assert "recipe.training.epochs 60" in words and 'recipe.export.arithmetics ["int8", "int16x8"]' in words
    assert "patience" not in words
    assert "int16x8 tflite 0.013 99.80 %" in words


def test_parity_of_another_shape_is_left_out() -> None:
    for parity in ("none", [{"stage": "x"}], [3], None):
        assert parity_stages({"parity": parity}) == []


def test_the_same_evaluation_gives_the_same_page() -> None:
    assert render_html(uji_evaluation()) == render_html(uji_evaluation())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("width", [375, 1000])
@pytest.mark.parametrize("name", ["house", "uji"])
def test_in_a_browser_nothing_sticks_out(name: str, width: int, tmp_path: Path) -> None:
    evaluation = house_evaluation() if name == "house" else uji_evaluation()
    frame = tmp_path / "frame.html"
    page = html.escape(render_html(evaluation))
    frame.write_text(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>'
        "<script>onload=()=>{const d=document.querySelector('iframe').contentDocument;"
        "const bars=[...d.querySelectorAll('.bar i')].map(b=>b.getBoundingClientRect().width);"
        "document.title=[d.documentElement.scrollWidth,Math.min(...bars)>=1,"
        "getComputedStyle(d.querySelector('td')).fontSize,d.querySelector('h1').textContent].join('|')}</script>"
    )
    assert CHROMIUM is not None
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *CHROMIUM_FLAGS, profile, "--virtual-time-budget=2000", "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r"<title>(\d.*?)</title>", done.stdout)
    assert found, done.stdout[-500:]
    scroll_width, bars_visible, font_size, heading = found.group(1).split("|")
    assert int(scroll_width) <= width
    assert bars_visible == "true"
    assert float(font_size.removesuffix("px")) >= 12
    assert html.unescape(heading) == f"{evaluation.name} on {evaluation.board_title}"
