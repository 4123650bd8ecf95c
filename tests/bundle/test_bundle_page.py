"""The reference page of the bundle is that of the schema, and every key says what it is."""

import importlib
import sys
from types import ModuleType

import pytest

from tinyloc.bundle.schema import Bundle
from tinyloc.paths import CLONE_DIR


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(CLONE_DIR / "docs" / "hooks"), *sys.path])
    return importlib.import_module("bundle_page")


def test_the_page_is_up_to_date(page: ModuleType) -> None:
    again = "run `python docs/hooks/bundle_page.py`"
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), again


def test_every_key_is_described(page: ModuleType) -> None:
    assert page.key_tables.undescribed(Bundle) == []


def test_the_page_names_every_table_of_the_schema(page: ModuleType) -> None:
    text = page.text()
    for table in (
        "[preprocessing]",
        "[outputs.unknown]",
        "[[site.rooms]]",
        "[[models.states]]",
        "[[provenance.steps]]",
    ):
        assert f"## `{table}`" in text
