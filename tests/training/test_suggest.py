"""First recipes: as large as the image allows, presets by what the readings are."""

from dataclasses import replace

import pytest

from tests.training.test_carrying_over import site
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.recipe import Recipe
from tinyloc.training.suggest import MLP_PROGRAM_BYTES, suggest

RAM = 49_152


def places(points: int) -> DataSet:
    hall = site(points)
    return replace(hall, classes=tuple(f"F1 {number}" for number in range(1, len(hall.classes) + 1)))


def suggested(data_set: DataSet, flash: int) -> Recipe:
    return suggest(data_set, "hall", "hall.toml", flash, RAM)[1]


def constants(recipe: Recipe, inputs: int, classes: int) -> int:
    """Weights of 8 bits, 8 bytes a unit, and the position of each place."""
    total, before = 0, inputs
    for units in (*recipe.model.hidden_sizes, classes):
        total += before * units + 8 * units
        before = units
    return total + 8 * classes


@pytest.mark.parametrize(("points", "preset", "layers"), [(24, "ble-positions", 2), (300, "wifi-positions", 1)])
def test_sizes_fill_the_image(points: int, preset: str, layers: int) -> None:
    data = places(points)
    sizes = []
    for flash in (16_384, 24_576, 32_768):
        recipe = suggested(data, flash)
        inputs = recipe.compression.access_points or points
        assert recipe.preset == preset and len(recipe.model.hidden_sizes) == layers
        assert constants(recipe, inputs, len(data.classes)) + MLP_PROGRAM_BYTES <= flash
        sizes.append(recipe.model.hidden_sizes[0])
    assert sizes == sorted(sizes) and (sizes[0] < sizes[-1] or sizes[0] == 64)
    assert suggested(data, 1_000_000).model.hidden_sizes[0] == sizes[-1]  # images of more than 32 KB are no aim


def test_access_points_are_left_out_where_the_smallest_net_is_too_large() -> None:
    data = places(900)
    recipe = suggested(data, 16_384)
    kept = recipe.compression.access_points
    assert recipe.model.hidden_sizes == [12] and kept is not None
    room = 16_384 - MLP_PROGRAM_BYTES
    assert constants(recipe, kept, len(data.classes)) <= room < constants(recipe, kept + 1, len(data.classes))


def test_labels_spread_by_the_distance_of_places() -> None:
    assert suggested(places(24), 32_768).output.spread_m == 3.6  # places are 3 m apart
