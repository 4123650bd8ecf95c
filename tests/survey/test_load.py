"""Under load no reading is lost; times and memory are figures of `python -m tests.bench.survey`, not asserted."""

from pathlib import Path

import pytest

from tests.bench.survey import BEACONS, HZ, lateness_ms, measure
from tests.survey.desks import survey_page


def test_lateness_is_from_arrival_to_the_message_that_counts_it() -> None:
    assert lateness_ms([1.0, 1.1, 1.3], [(1.05, 1), (1.2, 2), (1.5, 3)]).round().tolist() == [50, 100, 200]
    assert lateness_ms([], []).size == 0


@pytest.mark.slow
def test_ten_minutes_of_fifty_beacons_lose_nothing_with_a_page_open(tmp_path: Path) -> None:
    with survey_page(tmp_path / "home") as (desk, address):
        part = measure(desk, address, 600, real_time=False)
        again = measure(desk, address, 5, real_time=True)
    assert part.readings == part.on_disk == 600 * BEACONS * HZ and part.lost == 0
    assert again.readings == again.on_disk == 5 * BEACONS * HZ and again.page_ms_most > 0
