"""Pictures of the live page: `python -m tests.survey.pictures` renders docs/live.png and docs/live.gif.

The walk of zoo:ble-flat is replayed into the emulated CC2650; Chromium shows the page, Pillow joins the frames.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser import CHROMIUM
from tinyloc.api.run_layout import RunLayout
from tinyloc.api.steps import build_image, generate
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.zoo.models import unpack
from tinyloc.survey.demo import demo_of
from tinyloc.survey.live_desk import live_desk
from tinyloc.survey.live_model import LiveModel
from tinyloc.survey.serve import serving

BOARD = "cc2650"
DOCS = Path(__file__).resolve().parents[2] / "docs"
FRAMES, EVERY_MS, PLAYED_MS, SPEED = 56, 450, 180, 2.0
WIDTH, HEIGHT, FILM_WIDTH = 1100, 660, 720
COLOURS = 80


def main() -> None:
    """Render both files."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        layout = RunLayout(Path(name) / "ble-flat")
        unpack("ble-flat", layout.path)
        generate(layout, None)
        build_image(layout, load_board(BOARD), None)
        board, demo = load_board(BOARD), demo_of("zoo:ble-flat")
        device = EmulatedDevice(layout.firmware(BOARD) / "firmware.elf", board, measure=True)
        model = LiveModel(layout.path, layout.generated("int16x8"), board, device, demo.title)
        desk = live_desk(model, layout.path, Path(name) / "live", BOARD, demo)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with serving(desk) as address:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(address)
            page.wait_for_selector("#answer")
            desk.recorder.add_source(demo.source(SPEED))
            frames = []
            for _ in range(FRAMES):
                page.wait_for_timeout(EVERY_MS)
                frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            frames[FRAMES // 2].quantize(128).save(DOCS / "live.png", optimize=True)
        browser.close()
        desk.close()
    small = [frame.resize((FILM_WIDTH, FILM_WIDTH * HEIGHT // WIDTH), Image.Resampling.LANCZOS) for frame in frames]
    sample = small[FRAMES // 2].copy()
    for number, colour in enumerate(("#d1346f", "#ffffff", "#8a5300", "#0b6e69", "#8fc7c3", "#1b1f24")):
        sample.paste(colour, (0, 60 * number, 60, 60 * number + 60))  # small in the picture, and must stay
    palette = sample.quantize(COLOURS)
    film = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    film[0].save(DOCS / "live.gif", save_all=True, append_images=film[1:], duration=PLAYED_MS, loop=0, optimize=True)
    for file in ("live.png", "live.gif"):
        print(f"docs/{file}: {(DOCS / file).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
