"""The HTML page: complete, self-contained, escaped, and readable in a browser."""

from pathlib import Path

import pytest

from tests.browser import Page, needs_chromium, picture_of, show
from tests.evaluation_samples import LAYERS, golden_evaluation, house_evaluation, uji_evaluation
from tests.png_files import png
from tinyloc.bundle.site import Floor, FloorPicture, Room, Site
from tinyloc.device.image.library_record import load_sizes, save_sizes
from tinyloc.device.report.html import parity_stages, render_html
from tinyloc.device.report.page import TEMPLATES


def test_the_page_shows_every_part_of_the_evaluation() -> None:
    words = Page(render_html(house_evaluation())).words()
    for figure in (
        "house-a-mamba-h8l1",
        "Nucleo-L432KC (STM32L432KC)",
        "Passed",
        "0.871",
        "0.902",
        "0.873",
        "14.6 KB",
        "2.2 KB",
        "11,840",
        "0.148 ms",
        "37.3 µJ",
        "living room",
        "preprocessing and Viterbi",
        "stack (measured)",
        "CR2032",
        "00c0ffee12345678",
        "unicorn 2.1.4",
        "84 uA/MHz",
        "none: simulated",
        "xz · 64 B",
        "latency (largest of 500 modelled)",
        "localiser's buffers",
        "204 B",
        "the image reserves 2.0 KB for it",
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
    outside = [value for name, value in parsed.attributes if name in ("src", "href", "xlink:href")]
    assert all(value is not None and value.startswith("#") for value in outside)
    assert "url(" not in page and "@import" not in page and "http" not in page


def test_all_text_is_escaped() -> None:
    evil = "<script>alert('x')</script>\"&"
    evaluation = house_evaluation(
        name=evil,
        board_title=evil,
        data=evil,
        licence=evil,
        classes=[evil, "b", "c", "d"],
        transport=evil,
        plan=[{"name": evil, "offset": 0, "size": 64, "first": 0, "last": 3}],
        plan_steps=[evil],
        layers=[{"name": evil, "operators": [evil], "macs": 1, "constant_bytes": 1, "cycles": 1.0}],
        site={"floors": [{"name": evil}], "rooms": [Room.rectangle(evil, 0, 0, 1, 1).model_dump()]},
        made_by=[{"stage": "train", "date": "2026-11-30T12:00:00Z", "command": evil}],
        settings={evil: evil},
        versions={evil: evil},
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
        cycles=None,
        instructions=None,
        energy=None,
        stacks={},
        layers=[],
        functions=[],
        plan=[],
        plan_steps=[],
        positions=None,
        site={},
        budget=[],
    )
    words = Page(render_html(bare)).words()
    assert "counted no cycles" in words and "No budget was set" in words
    assert "Position error" not in words and "Battery" not in words and "Memory plan" not in words


def test_heights_are_named_only_where_they_differ() -> None:
    assert "height included" not in Page(render_html(house_evaluation())).words()
    upstairs = [[1.0, 1.0, 4.0, 2.0, 1.0, 1.0]]
    assert "of the decided class, height included." in Page(render_html(house_evaluation(positions=upstairs))).words()


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


@needs_chromium
@pytest.mark.parametrize("width", [375, 1000])
@pytest.mark.parametrize("name", ["house", "uji"])
def test_in_a_browser_nothing_sticks_out(name: str, width: int, tmp_path: Path) -> None:
    evaluation = house_evaluation() if name == "house" else uji_evaluation()
    shown = show(render_html(evaluation), width, tmp_path)
    assert shown.scroll_width <= width
    assert shown.bars_visible
    assert shown.font_pixels >= 12
    assert shown.heading == f"{evaluation.name} on {evaluation.board_title}"
    assert shown.console == []


@pytest.mark.parametrize("parity", [[{"stage": "step", "against": "x", "error": "much", "agreement": 1}], [1], "x", {}])
def test_a_parity_table_that_is_none_is_left_out(parity: object) -> None:
    words = Page(render_html(house_evaluation(settings={"parity": parity}))).words()
    assert "Error of each export stage" not in words


def test_sizes_as_a_library_are_shown_for_the_same_model(tmp_path: Path) -> None:
    sizes = {
        "core": "cortex-m4f", "compiler": "gcc", "code_bytes": 1234, "constant_bytes": 5678, "context_bytes": 91,
        "arena_bytes": 32, "stack_bytes": {"hall_init": 8}, "largest_stack_bytes": 400, "cycles": 8863,
        "selftest": "equal",
    }  # fmt: skip
    evaluation = house_evaluation()
    save_sizes(tmp_path, evaluation.model_id, {"stm32l4": sizes})
    words = Page(render_html(evaluation, load_sizes(tmp_path, evaluation.model_id))).words()
    assert "As a library" in words and "1,234 5,678 91 400 8,863 equal" in words
    assert load_sizes(tmp_path, "another model") == {}
    assert "As a library" not in Page(render_html(evaluation)).words()


def test_scores_on_golden_scans_are_not_shown_as_quality() -> None:
    golden, real = Page(render_html(golden_evaluation())).words(), Page(render_html(uji_evaluation())).words()
    for clause in (
        "Macro F1 0.781 and accuracy 0.849 are agreement with the float model on 64 made-up scans, not quality.",
        "agreement, not quality",
        "labelled with the float model's decisions",
        "Rows: the float model's class",
    ):
        assert clause in golden and clause not in real, clause
    assert "true class" not in golden and "points against the float model" not in golden


def test_versions_of_training_and_of_the_evaluation_are_apart() -> None:
    evaluation = house_evaluation(made_with={"python": "3.11.2"}, versions={"python": "3.12.1"})
    words = Page(render_html(evaluation)).words()
    assert "Versions: training and export python 3.11.2 Versions: evaluation python 3.12.1" in words
    assert "Versions: training and export" not in Page(render_html(house_evaluation())).words()


@needs_chromium
@pytest.mark.parametrize(("width", "shaded"), [(400, True), (1000, False)])
def test_a_table_that_scrolls_shows_it(width: int, shaded: bool, tmp_path: Path) -> None:
    """A shadow lies at the right edge of a table that goes on there, and not beside one that fits."""
    columns = '<td style="color:#fff">of a table that is wide</td>' * 4
    style = (TEMPLATES / "style.css").read_text()
    table = f'<div class="scroll"><table><tr>{columns}</tr></table></div>'
    picture = picture_of(f"<!doctype html><style>{style}</style>{table}", width, tmp_path)
    row = picture[40]  # grey levels across the middle of the table: without text, white but for a shadow
    assert (row[:-60] == 255).all() and (row[-60:] < 250).any() == shaded


@pytest.mark.parametrize("with_positions", [True, False])
def test_the_picture_of_the_floor_is_in_the_page(with_positions: bool) -> None:
    rooms = [Room.rectangle("kitchen", 0, 0, 4, 3)]
    picture = FloorPicture.of_file(png(40, 30), 0.1, 0, 0)
    evaluation = house_evaluation(site=Site(floors=[Floor(name="ground", picture=picture)], rooms=rooms))
    if not with_positions:
        evaluation = evaluation.model_copy(update={"positions": None})
    page = render_html(evaluation)
    assert page.count('<image href="data:image/png;base64,') == 1 and "http" not in page.split("<image ")[1][:80]
    assert ("Decisions on the floor plan" in page) is not with_positions


def test_a_picture_that_is_none_is_no_part_of_a_bundle() -> None:
    for content in ("PHN2Zz4=", "not base64 <", '"><script>'):
        with pytest.raises(ValueError, match="content"):
            FloorPicture(content=content, metres_per_pixel=0.1)
