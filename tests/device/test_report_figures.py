"""Geometry behind the pictures of the report."""

import numpy as np
import pytest

from tests.evaluation_samples import house_evaluation, uji_evaluation
from tests.png_files import png
from tinyloc.bundle.site import Floor, FloorPicture, Room, Site
from tinyloc.device.evaluation.evaluation_record import Buffer, Energy
from tinyloc.device.report.battery import CELLS, battery_life, lifetime
from tinyloc.device.report.confusion import confusion_figure
from tinyloc.device.report.flame import flame_figure
from tinyloc.device.report.memory_plan import PLAN_HEIGHT, live_bytes, plan_figure, tick_distance
from tinyloc.device.report.position_errors import error_figure, floor_levels, storeys
from tinyloc.device.report.room_map import room_figure


def test_plan_boxes_lie_where_step_and_offset_say() -> None:
    plan = [Buffer(name="a", offset=0, size=60, first=0, last=1), Buffer(name="b", offset=60, size=40, first=1, last=3)]
    figure = plan_figure(plan, 4)
    assert figure is not None
    a, b = figure.boxes
    assert (a.x, a.width) == (0, 50)
    assert (b.x, b.width) == (25, 75)
    assert a.y + a.height == pytest.approx(PLAN_HEIGHT)
    assert b.y == pytest.approx(0) and b.y + b.height == pytest.approx(a.y)
    assert (figure.arena, figure.peak_step, figure.peak_live) == (100, 1, 100)


def test_buffers_that_live_at_once_do_not_overlap_in_the_picture() -> None:
    figure = plan_figure(house_evaluation().plan, 11)
    assert figure is not None
    for first, one in enumerate(figure.boxes):
        for other in figure.boxes[first + 1 :]:
            apart = (
                one.x + one.width <= other.x + 1e-6
                or other.x + other.width <= one.x + 1e-6
                or one.y + one.height <= other.y + 1e-6
                or other.y + other.height <= one.y + 1e-6
            )
            assert apart, (one.name, other.name)


def test_no_plan_no_picture() -> None:
    assert plan_figure([], 3) is None


def test_live_bytes_counts_both_ends_of_a_lifetime() -> None:
    plan = [Buffer(name="a", offset=0, size=8, first=1, last=2), Buffer(name="b", offset=8, size=4, first=2, last=2)]
    assert live_bytes(plan, 4) == [0, 8, 12, 0]


@pytest.mark.parametrize(("extent", "ticks", "distance"), [(100, 10, 10), (0.9, 5, 0.2), (244, 6, 50), (7, 7, 1)])
def test_tick_distance_is_round(extent: float, ticks: int, distance: float) -> None:
    assert tick_distance(extent, ticks) == pytest.approx(distance)


def test_confusion_rows_know_recall_precision_and_the_worst_mistake() -> None:
    figure = confusion_figure(["a", "b", "c"], [[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    a, b, c = figure.rows
    assert (a.support, a.recall, a.precision) == (10, 0.8, 1.0)
    assert b.precision == pytest.approx(5 / 7)
    assert (c.support, c.recall, c.f1) == (0, 0.0, 0.0)
    worst = figure.mistakes[0]
    assert (worst.true, worst.predicted, worst.count, worst.share) == ("b", "c", 5, 0.5)
    assert figure.as_table


def test_every_decision_is_in_the_error_map_once() -> None:
    evaluation = uji_evaluation()
    figure = error_figure(evaluation.positions, evaluation.site.rooms)
    assert figure is not None and len(figure.floors) == 4
    shown = [int(dot.title.split()[0]) for floor in figure.floors for dot in floor.dots]
    assert sum(shown) == evaluation.decisions
    for floor in figure.floors:
        for dot in floor.dots:
            assert floor.left <= dot.x <= floor.left + floor.width
            assert floor.top <= dot.y <= floor.top + floor.height


def test_the_curve_passes_through_its_marks() -> None:
    positions = [[float(error), 0.0, 0.0, 0.0, 0.0, 0.0] for error in range(1, 101)]
    figure = error_figure(positions, [])
    assert figure is not None
    x, y = np.array(figure.curve).T
    assert np.all(np.diff(x) >= 0) and np.all(np.diff(y) >= 0)
    for mark_x, mark_y, label in figure.marks:
        assert np.interp(mark_x, x, y) == pytest.approx(mark_y, abs=0.6), label
    assert figure.beyond == 2


def test_unknown_positions_leave_the_error_map_out() -> None:
    assert error_figure(None, []) is None
    assert error_figure([[float("nan")] * 6], []) is None


def test_equal_errors_have_one_bound() -> None:
    figure = error_figure([[3.0, 4.0, 0.0, 0.0, 0.0, 0.0]] * 5, [])
    assert figure is not None
    assert figure.bounds == ["up to 5.00 m", "over 5.00 m"]
    assert {dot.tone for dot in figure.floors[0].dots} == {0}


def test_floors_are_cut_where_heights_jump() -> None:
    assert floor_levels(np.array([0.0, 0.2, 4.0, 4.0, 8.1])) == pytest.approx([0.1, 4.0, 8.1])


def test_a_stair_case_joins_no_floors_when_there_is_a_plan() -> None:
    assert storeys(np.linspace(1.0, 3.7, 50), 2) == pytest.approx([1.0, 3.7])


def test_battery_life_adds_sleep_and_inference() -> None:
    energy = Energy(microjoule=30.0, study_microjoule=None, assumptions="", volts=3.0, sleep_microamp=1.0)
    five_hz, one_hz = battery_life(energy)
    assert five_hz.microamp == pytest.approx(1.0 + 30 * 5 / 3)
    assert one_hz.days[0] == pytest.approx(CELLS[0].milliamp_hours * 1e3 / 11.0 / 24)


@pytest.mark.parametrize(
    ("days", "text"),
    [(30.4, "30 days"), (730, "730 days"), (1000, "2.7 years"), (3650, "10.0 years"), (9999, "over 10 years")],
)
def test_a_life_is_told_up_to_the_shelf_life(days: float, text: str) -> None:
    assert lifetime(days) == text


def test_a_flame_stands_on_its_caller_and_is_as_wide_as_its_cycles() -> None:
    figure = flame_figure({"main": 10.0, "main;a": 30.0, "main;b": 40.0, "main;b;c": 20.0})
    assert figure is not None
    boxes = {box.name: box for box in figure.boxes}
    assert [boxes[name].width for name in ("main", "a", "b", "c")] == pytest.approx([100, 30, 60, 20])
    assert boxes["c"].y < boxes["b"].y == boxes["a"].y < boxes["main"].y
    assert boxes["b"].x <= boxes["c"].x and boxes["c"].x + boxes["c"].width <= boxes["b"].x + boxes["b"].width
    assert boxes["a"].x + boxes["a"].width <= boxes["b"].x + 1e-9
    assert flame_figure({}) is None


def test_no_battery_life_from_unknown_currents() -> None:
    assert battery_life(None) == []
    assert battery_life(Energy(microjoule=1.0, study_microjoule=None, assumptions="")) == []


def test_a_floor_of_the_class_counts_where_heights_do_not_tell() -> None:
    plan = [Room.rectangle(f"room {floor}", 0, 0, 4, 4, floor) for floor in (0, 1)]
    positions = [[1.0, 1.0, 0.0, 1.0, 1.0, 0.0]] * 3
    figure = error_figure(positions, plan, class_floors=[0, 1, 1])
    assert figure is not None
    assert [floor.title.split(",")[0] for floor in figure.floors] == ["Floor 0: 1 decisions", "Floor 1: 2 decisions"]


def test_a_floor_is_captioned_with_its_name() -> None:
    plan = [Room.rectangle(f"room {floor}", 0, 0, 4, 4, floor) for floor in (1, 2)]
    positions = [[1.0, 1.0, 0.0, 1.0, 1.0, 0.0]] * 3
    names = ["cellar", "ground floor", "attic"]
    figure = error_figure(positions, plan, class_floors=[1, 2, 2], names=names)
    assert figure is not None
    titles = [floor.title.split(",")[0] for floor in figure.floors]
    assert titles == ["ground floor: 1 decisions", "attic: 2 decisions"]


def test_the_picture_lies_where_scale_and_origin_say() -> None:
    picture = FloorPicture.of_file(png(40, 30), 0.1, -1.0, 2.0)
    figure = error_figure([[0.0, 3.0, 0.0, 1.0, 3.0, 0.0]], [], pictures={0: picture})
    assert figure is not None and figure.floors[0].picture is not None
    drawn, floor = figure.floors[0].picture, figure.floors[0]
    assert (drawn.x, drawn.y, drawn.width, drawn.height) == pytest.approx((-1.0, -5.0, 4.0, 3.0))  # y downwards
    assert floor.left <= drawn.x and floor.left + floor.width >= drawn.x + drawn.width


def test_rooms_without_positions_show_where_decisions_go() -> None:
    rooms = [Room.rectangle("a", 0, 0, 2, 2), Room.rectangle("b", 2, 0, 2, 2), Room.rectangle("c", 0, 0, 2, 2, 1)]
    site = Site(floors=[Floor(name="ground"), Floor(name="first")], rooms=rooms)
    figure = room_figure(site, ["a", "b", "c", "outside"], [[8, 2, 0, 0], [0, 5, 3, 0], [0, 0, 4, 0], [0, 0, 0, 7]])
    assert figure is not None
    ground, first = figure.floors
    assert [dot.title for dot in ground.dots] == ["a: 8 of 10 decisions right", "b: 5 of 8 decisions right"]
    (arrow,) = ground.arrows
    assert arrow.title == "2 decisions for b in a"
    assert (arrow.x, arrow.to_x) == pytest.approx((1.0, 2.8)) and arrow.y == arrow.to_y == pytest.approx(-0.952)
    assert not first.arrows and first.dots[0].tone == 0 and figure.elsewhere == 3
    assert room_figure(site, ["x", "y"], [[1, 0], [0, 1]]) is None
