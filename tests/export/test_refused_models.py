"""Models that are trained to compare with and not deployed."""

from pathlib import Path

import pytest

from tests.tiny_recipe import tiny_recipe
from tinyloc.export.errors import ExportError
from tinyloc.export.pipeline import export_run
from tinyloc.training.run import train

WINDOW = """
model = { architecture = "mdcsa", hidden = 2, context = 5, attention = "window", crf = true }
training = { epochs = 1, chunks_per_epoch = 1 }
"""


def test_the_published_window_form_is_refused_at_once(tmp_path: Path) -> None:
    train(tiny_recipe(WINDOW), tmp_path / "run")
    with pytest.raises(ExportError, match=r"attention = 'window' is there to compare with.*'streaming'"):
        export_run(tmp_path / "run", tell=lambda line: pytest.fail(f"went as far as {line}"))
    assert not (tmp_path / "run" / "bundle").exists()
