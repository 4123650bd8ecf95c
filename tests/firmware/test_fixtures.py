"""The generated directories that other tests build images from are what fake_model.py writes."""

from pathlib import Path

import pytest

from tests.firmware.fake_model import DENSE_INT16, SPARSE_INT8

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize(("name", "model"), [("dense_int16", DENSE_INT16), ("sparse_int8", SPARSE_INT8)])
def test_fixture_is_current(name, model, tmp_path):
    """If this fails: python tests/firmware/fake_model.py writes them again."""
    written = model.write(tmp_path)
    for file in sorted(written.iterdir()):
        assert file.read_text() == (FIXTURES / name / file.name).read_text(), file.name
