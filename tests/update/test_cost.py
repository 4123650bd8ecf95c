"""What updates and tags cost an image: flash and RAM beside the slots."""

from pathlib import Path

import pytest

from tests.update.two_models import KEY, OLD, two_models
from tinyloc.device.image.build import build_firmware
from tinyloc.device.update.slot import HEADER

FLASH, RAM = 4096, 600


@pytest.mark.parametrize("board", ["stm32l4", "aducm3029", "cc2650"])
def test_updates_take_4_kb_and_600_bytes_at_most(board: str, tmp_path: Path) -> None:
    models = two_models(board)
    plain = build_firmware(models.generated[OLD], models.found, tmp_path / "plain").sizes
    tagged = build_firmware(models.generated[OLD], models.found, tmp_path / "tags", link_key=KEY).sizes
    constants = len(models.constants[OLD])
    flash = models.image.sizes.flash - (HEADER + constants) - (plain.flash - constants)
    assert 0 < flash <= FLASH
    assert 0 < models.image.sizes.static_ram - plain.static_ram <= RAM
    assert 0 < tagged.flash - plain.flash <= 2200 and tagged.static_ram - plain.static_ram <= 160
