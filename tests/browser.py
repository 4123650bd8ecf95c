"""A page as its tags and text, and as headless Chromium shows it: how wide it is, what it complains of."""

import html
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--enable-logging=stderr",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
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


@dataclass(frozen=True)
class Shown:
    scroll_width: int  # pixels; more than the frame's when something sticks out
    bars_visible: bool
    font_pixels: float
    heading: str
    console: list[str]  # what the page wrote to the console


def show(page: str, width: int, directory: Path) -> Shown:
    """The page in a frame `width` pixels wide."""
    assert CHROMIUM is not None
    frame = directory / "frame.html"
    frame.write_text(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(page)}"></iframe>'
        "<script>onload=()=>{const d=document.querySelector('iframe').contentDocument;"
        "const bars=[...d.querySelectorAll('.bar i')].map(b=>b.getBoundingClientRect().width);"
        "document.title=[d.documentElement.scrollWidth,Math.min(...bars,9)>=1,"
        "getComputedStyle(d.querySelector('td')).fontSize,d.querySelector('h1').textContent].join('|')}</script>"
    )
    profile = f"--user-data-dir={directory / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *_FLAGS, profile, "--virtual-time-budget=2000", "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r"<title>(\d.*?)</title>", done.stdout)
    assert found, done.stdout[-500:]
    scroll_width, bars_visible, font_size, heading = found.group(1).split("|")
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Shown(
        int(scroll_width), bars_visible == "true", float(font_size.removesuffix("px")), html.unescape(heading), console
    )


def picture_of(page: str, width: int, directory: Path) -> npt.NDArray[np.float64]:
    """The top 80 pixels of the page in a frame `width` pixels wide: (80, width, 3), grey levels 0 to 255."""
    image = pytest.importorskip("matplotlib.image")
    assert CHROMIUM is not None
    frame, picture = directory / "frame.html", directory / "picture.png"
    frame.write_text(
        f'<!doctype html><body style="margin:0"><iframe style="width:{width}px;height:80px;border:0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )
    options = [f"--user-data-dir={directory / 'profile'}", "--window-size=1200,400", "--hide-scrollbars"]
    command = [CHROMIUM, *_FLAGS, *options, f"--screenshot={picture}", frame.as_uri()]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    return 255.0 * np.asarray(image.imread(picture), np.float64)[:80, :width, :3]
