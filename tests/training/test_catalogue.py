"""Finding, fetching and describing data sets."""

import hashlib
import io
import urllib.error
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tinyloc.training.data import catalogue
from tinyloc.training.errors import DataError

MEMBERS = {"trainingData.csv": b"training", "validationData.csv": b"validation"}


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(f"UJIndoorLoc/{name}", content)
    return buffer.getvalue()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set on this machine; the publisher's sums are those of MEMBERS. The cache directory."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in MEMBERS.items()}
    item = catalogue.DATA_SETS["ujiindoorloc"]
    assert item.source is not None
    monkeypatch.setitem(catalogue.DATA_SETS, "ujiindoorloc", replace(item, source=replace(item.source, sha256=sums)))
    cache = tmp_path / "cache"
    monkeypatch.setattr(catalogue, "search_places", lambda: [cache])
    monkeypatch.setattr(catalogue, "cache_directory", lambda: cache)
    return cache


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> None:
    def answer(url: str, timeout: float) -> io.BytesIO:
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", answer)


def test_an_unknown_data_set_names_the_known() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'uji'; known data sets: ujiindoorloc, .*house-a"):
        catalogue.load("uji")


def test_wrong_options_are_told_with_the_right_ones() -> None:
    with pytest.raises(DataError, match=r"no option 'sed' \(it has seed.*living_minutes = 'long' must be a number"):
        catalogue.load("house-a", {"sed": 1, "living_minutes": "long"})


def test_a_missing_data_set_says_where_it_was_searched_and_how_to_get_it(nowhere: Path) -> None:
    with pytest.raises(DataError, match=r"not on this machine.*tinyloc data get ujiindoorloc.*TINYLOC_DATA"):
        catalogue.load("ujiindoorloc")


def test_the_environment_is_searched_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ujiindoorloc"
    folder.mkdir()
    (folder / "UJIIndoorLoc.zip").write_bytes(b"")
    monkeypatch.setenv("TINYLOC_DATA", str(tmp_path))
    assert catalogue.find("ujiindoorloc") == folder / "UJIIndoorLoc.zip"


def test_get_keeps_what_the_publisher_sends_when_the_sums_are_right(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, archive(MEMBERS))
    path = catalogue.get("ujiindoorloc")
    assert path == nowhere / "ujiindoorloc" / "UJIIndoorLoc.zip"
    assert catalogue.find("ujiindoorloc") == path
    serve(monkeypatch, AssertionError("a whole copy must not be fetched again"))
    assert catalogue.get("ujiindoorloc") == path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (urllib.error.URLError("no route to host"), r"cannot download .*no route to host.*put it here as"),
        (TimeoutError("timed out"), r"cannot download .*timed out"),
        (b"<html>busy</html>", r"17 bytes that are not a zip file"),
        (archive(MEMBERS | {"trainingData.csv": b"other"}), r"trainingData.csv has another sha256"),
        (archive({"trainingData.csv": b"training"}), r"no validationData.csv in the zip"),
    ],
)
def test_a_failed_get_explains_and_leaves_nothing(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | Exception, message: str
) -> None:
    serve(monkeypatch, content)
    with pytest.raises(DataError, match=message):
        catalogue.get("ujiindoorloc")
    assert not list(nowhere.rglob("*.zip"))


def test_a_simulated_house_is_not_fetched() -> None:
    with pytest.raises(DataError, match="nothing to download"):
        catalogue.get("house-b")


def test_the_list_tells_what_is_here(nowhere: Path) -> None:
    rows = {row.entry.name: row for row in catalogue.listing()}
    assert {"ujiindoorloc", "house-a", "house-d", "ble_flat_kolakowski", "in-home-a", "csv"} <= set(rows)
    assert (rows["ujiindoorloc"].place, rows["ujiindoorloc"].available) == ("not here", False)
    assert (rows["house-a"].place, rows["house-a"].available) == ("built in", True)


def test_a_description_counts() -> None:
    data_set = catalogue.load("house-a", {"living_minutes": 2})
    described = catalogue.describe(data_set)
    assert described.access_points_heard == 8
    assert described.splits["test"].recordings == 2
    assert described.splits["test"].samples == 1200
    assert described.splits["test"].minutes == pytest.approx(4.0)
    assert described.splits["train"].classes == 4
    assert -110 <= described.weakest_dbm < described.strongest_dbm <= -20
