"""The zoo: what comes with tinyloc is whole, small, free of others' readings, and runs without training or torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyloc.bundle.schema import TEST_SET, load_bundle, load_test_set
from tinyloc.device.evaluation.measure_bundle import EMULATED_SAMPLES, measure, shorten
from tinyloc.device.zoo import models as zoo
from tinyloc.device.zoo.measure import changes, figures, measured, write_card
from tinyloc.device.zoo.models import Card, Figures, ZooError
from tinyloc.main import main
from tinyloc.paths import ZOO_DIR
from tinyloc.training.data import catalogue
from tinyloc.training.errors import DataError
from tinyloc.training.test_set import readings_digest

MODELS = zoo.names()
LARGEST_KB = 150


def test_there_is_a_model_for_every_board() -> None:
    boards = {board for model in MODELS for board in zoo.load_card(model).boards}
    assert {"stm32l4", "cc2650", "aducm3029"} <= boards


def test_there_is_a_model_for_every_data_set() -> None:
    data = {zoo.load_card(model).data for model in MODELS}
    homes = {"house-a", "house-b", "house-c", "house-d", "ble_flat_kolakowski"}
    assert homes | {"ujiindoorloc", "movementaal", "ble_position_annotated_danis"} <= data


def _today(model: str, boards: list[str], place: Path) -> tuple[dict[str, Figures], bool]:
    """Figures of today on boards, and whether they are of the samples that the card's are of."""
    zoo.unpack(model, place / "run")
    card, bundle = zoo.load_card(model), load_bundle(place / "run" / "bundle")
    real = readings_digest(load_test_set(place / "run" / "bundle")) == card.test_sha256
    shorten(place / "run" / "bundle", place / "short", max(EMULATED_SAMPLES, 2 * bundle.window.steps))
    found = measure(place / "short", card.arithmetic, tuple(boards), card.optimise)
    return figures(found, model), real


def _like_the_card(model: str, boards: list[str], place: Path) -> None:
    """Flash, RAM, cycles and energy; other versions of GCC differ by a little."""
    card = zoo.load_card(model)
    found, real = _today(model, boards, place)
    for board in boards:
        expected = card.boards[board].model_dump()
        keys = list(expected) if real else ["flash_bytes", "ram_bytes"]
        now = found[board].model_dump()
        keys = [key for key in keys if expected[key] is not None or now[key] is not None]
        told = f"{model} on {board}: the card is not of today's kernels; run `tinyloc zoo refresh {model}`"
        assert {key: now[key] for key in keys} == pytest.approx({key: expected[key] for key in keys}, rel=0.01), told


def _one_of_each_kind() -> list[str]:
    """Kernels are shared: a model of each architecture and arithmetic."""
    kinds: dict[tuple[str, str], str] = {}
    for model in MODELS:
        card = zoo.load_card(model)
        kinds.setdefault((card.architecture, card.arithmetic), model)
    return list(kinds.values())


@pytest.mark.parametrize("model", _one_of_each_kind())
def test_a_card_is_of_today_s_kernels(model: str, tmp_path: Path) -> None:
    boards = list(zoo.load_card(model).boards)
    _like_the_card(model, [boards[MODELS.index(model) % len(boards)]], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_card_is_of_today_s_kernels_on_every_board(model: str, tmp_path: Path) -> None:
    _like_the_card(model, list(zoo.load_card(model).boards), tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_small_whole_and_described(model: str) -> None:
    place = ZOO_DIR / model
    assert sum(path.stat().st_size for path in place.iterdir()) < LARGEST_KB * 1024
    card, bundle = zoo.load_card(model), load_bundle(place)
    assert card.name == model == bundle.name and card.licence and card.citation
    assert card.data in catalogue.DATA_SETS
    assert [entry.arithmetic for entry in bundle.models] == [card.arithmetic]
    assert card.macro_f1 > card.float_macro_f1 - 0.02
    for board, image in card.boards.items():
        assert image.flash_bytes <= 64 * 1024, board


@pytest.mark.parametrize("model", MODELS)
def test_shipped_scans_are_made_up(model: str) -> None:
    bundle, golden = load_bundle(ZOO_DIR / model), load_test_set(ZOO_DIR / model)
    assert np.array_equal(golden.rssi_dbm, zoo.golden_readings(bundle, zoo.load_card(model).seed))
    assert np.isnan(golden.position_m).all()


def test_names_are_of_models_and_boards() -> None:
    model = MODELS[0]
    boards = list(zoo.load_card(model).boards)
    assert zoo.resolve(model) == (model, boards[0])
    assert zoo.resolve(f"{model}-{boards[-1]}") == (model, boards[-1])
    with pytest.raises(ZooError, match=rf"no model 'uij' in the zoo; there are .*{model}.*-BOARD"):
        zoo.resolve("uij")


def test_a_board_that_a_model_is_not_for_is_told_why(tmp_path: Path) -> None:
    model = MODELS[0]
    card = zoo.load_card(model)
    (tmp_path / model).mkdir()
    only = card.model_copy(update={"boards": {"stm32l4": card.boards["stm32l4"]}})
    write_card(only, tmp_path / model)
    flash = f"{card.boards['stm32l4'].flash_bytes:,}"
    with pytest.raises(ZooError, match=rf"zoo:{model} is not for cc2650, which is too small .*stm32l4 \({flash} bytes"):
        zoo.resolve(f"{model}-cc2650", tmp_path)
    with pytest.raises(ZooError, match=rf"zoo:{model} is not for cortex-m4, which is virtual and draws no current"):
        zoo.resolve(f"{model}-cortex-m4", tmp_path)


def _simulated() -> str:
    return next(model for model in MODELS if zoo.load_card(model).data.startswith("house-"))


def test_a_simulated_house_comes_with_its_real_test_set(tmp_path: Path) -> None:
    model = _simulated()
    card = zoo.load_card(model)
    told = zoo.unpack(model, tmp_path / "run")
    assert told == f"the test set of {card.data}, {card.test_samples:,} samples"
    test_set = load_test_set(tmp_path / "run" / "bundle")
    assert len(test_set.label) == card.test_samples and (test_set.float_class >= 0).sum() > 100
    assert load_bundle(tmp_path / "run" / "bundle").test_sha256
    kept = tmp_path / "run" / "generated"
    kept.mkdir()
    zoo.unpack(model, tmp_path / "run")
    assert kept.is_dir()  # nothing changed: what was made stays


def test_without_the_data_there_are_golden_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise DataError("not on this machine; get it")

    model = _simulated()
    monkeypatch.setattr(catalogue, "load", nowhere)
    told = zoo.unpack(model, tmp_path / "run")
    card = zoo.load_card(model)
    assert "golden scans" in told and "not on this machine" in told and card.errors_m is not None
    assert f"{card.macro_f1:.3f}" in told and told.endswith(f"median error {card.errors_m['p50']:.2f} m")
    assert len(load_test_set(tmp_path / "run" / "bundle").label) == zoo.GOLDEN_SCANS
    monkeypatch.undo()
    assert "the test set of" in zoo.unpack(model, tmp_path / "run")
    assert len(load_test_set(tmp_path / "run" / "bundle").label) == zoo.load_card(model).test_samples


def test_other_data_of_that_name_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _simulated()
    card = zoo.load_card(model)
    other = catalogue.load(card.data, {**card.data_options, "seed": 99})
    monkeypatch.setattr(catalogue, "load", lambda *_: other)
    assert "not the one of the card" in zoo.unpack(model, tmp_path / "run")


def test_a_damaged_card_is_told(tmp_path: Path) -> None:
    place = tmp_path / "broken"
    place.mkdir()
    (place / "card.json").write_text("{}")
    with pytest.raises(ZooError, match=r"card\.json: not a card"):
        zoo.resolve("broken", tmp_path)


WITHOUT_TORCH = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchcrf", "tensorflow", "onnx", "onnx2tf", "ai_edge_litert"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
from tinyloc.training.data import catalogue
from tinyloc.training.errors import DataError
def nowhere(*_):
    raise DataError("not on this machine; get it")
catalogue.load = nowhere
from tinyloc.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_model_is_emulated_without_torch_training_or_data(tmp_path: Path) -> None:
    """On the board that its name says, over the golden scans."""
    for command in (["emulate", "zoo:uji-cc2650", "--json", "out.json"], ["report", "zoo:uji-cc2650"]):
        line = [sys.executable, "-c", WITHOUT_TORCH, *command]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["board"], found["mismatches"], found["samples"]) == ("cc2650", 0, zoo.GOLDEN_SCANS)
    assert "golden scans" in done.stderr
    card = zoo.load_card("uji").boards["cc2650"]
    assert abs(found["flash_bytes"] - card.flash_bytes) < 0.1 * card.flash_bytes


def test_the_list_shows_every_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["zoo", "list", "--json", str(tmp_path / "list.json")]) == 0
    shown = json.loads((tmp_path / "list.json").read_text())
    cards = [Card.model_validate(card) for card in shown]
    assert [card.name for card in cards] == MODELS
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    for card in cards:
        assert sum(words[:1] == [card.name] for words in said) == 1  # its quality once, its costs for each board
        for board, image in card.boards.items():
            assert [words[3] for words in said if words[:1] == [f"zoo:{card.name}-{board}"]] == [f"{image.cycles:,.0f}"]
    assert main(["emulate", "zoo:none"]) == 2
    assert "no model 'none' in the zoo" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stale_card_is_found_and_brought_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = _simulated()
    shutil.copytree(ZOO_DIR / model, tmp_path / model)
    card = zoo.load_card(model)
    boards = dict(card.boards)
    last = list(boards)[-1]
    boards[last] = boards[last].model_copy(update={"cycles": 10 * boards[last].cycles})
    write_card(card.model_copy(update={"boards": boards}), tmp_path / model)
    command = ["zoo", "refresh", model, "--to", str(tmp_path)]
    assert main([*command, "--check"]) == 1
    assert f"{last} cycles {boards[last].cycles:,} -> " in capsys.readouterr().out
    assert main(command) == 0 and zoo.load_card(model, tmp_path) == measured(model, list(boards), tmp_path)
    assert main([*command, "--check"]) == 0 and "equal to its card" in capsys.readouterr().out


def test_a_card_is_refreshed_on_its_own_test_set_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise DataError("not on this machine; get it")

    monkeypatch.setattr(catalogue, "load", nowhere)
    with pytest.raises(ZooError, match="on the test set of its card; this machine has golden scans"):
        measured(_simulated(), ["cc2650"])


def test_changes_of_a_card_are_named() -> None:
    card = zoo.load_card(MODELS[0])
    first, *others = card.boards
    other = card.model_copy(update={"boards": {name: card.boards[name] for name in others}, "accuracy": 0.5})
    assert changes(card, card) == []
    assert changes(card, other) == [f"{first}: does not fit any more", f"accuracy {card.accuracy} -> 0.5"]
    assert changes(other, card)[-2] == f"{first}: fits now"


@pytest.mark.slow
def test_a_run_is_packed_and_comes_back(tmp_path: Path) -> None:
    from tests.tiny_recipe import tiny_recipe
    from tinyloc.device.zoo.pack import pack
    from tinyloc.export.pipeline import export_run
    from tinyloc.training.run import train

    train(tiny_recipe(), tmp_path / "tiny")
    export_run(tmp_path / "tiny", ["int16x8"])
    card = pack(tmp_path / "tiny", "little", ["cc2650"], "int16x8", tmp_path / "zoo")
    assert zoo.resolve("little-cc2650", tmp_path / "zoo") == ("little", "cc2650")
    assert "the test set of house-a" in zoo.unpack("little", tmp_path / "again", folder=tmp_path / "zoo")
    packed = load_test_set(tmp_path / "again" / "bundle")
    assert np.array_equal(packed.float_class, load_test_set(tmp_path / "tiny" / "bundle").float_class)
    assert (tmp_path / "zoo" / "little" / TEST_SET).is_file() and card.boards["cc2650"].flash_bytes > 5_000


@pytest.mark.parametrize("model", ["ble-flat"])
def test_on_golden_scans_the_float_model_agrees_with_itself(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows of several samples, too: a decision is compared with the float model's of the same sample."""

    def nowhere(*_: object) -> None:
        raise DataError("not on this machine; get it")

    monkeypatch.setattr(catalogue, "load", nowhere)
    monkeypatch.chdir(tmp_path)
    assert load_bundle(ZOO_DIR / model).window.steps > 1
    assert main(["emulate", f"zoo:{model}", "--json", "out.json"]) == 0
    found = json.loads(Path("out.json").read_text())
    assert found["samples_from"] == "golden scans" and "not quality" in found["scores_are"]
    assert (found["float_macro_f1"], found["float_accuracy"]) == (1.0, 1.0)
    assert found["accuracy"] > 0.9


def test_unpacking_says_where_the_samples_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise DataError("not on this machine; get it")

    zoo.unpack(_simulated(), tmp_path / "real")
    assert load_bundle(tmp_path / "real" / "bundle").samples_from == "test set"
    monkeypatch.setattr(catalogue, "load", nowhere)
    zoo.unpack(_simulated(), tmp_path / "golden")
    assert load_bundle(tmp_path / "golden" / "bundle").samples_from == "golden scans"
    assert {load_bundle(ZOO_DIR / model).samples_from for model in MODELS} == {"golden scans"}


def test_a_model_of_a_read_only_zoo_is_unpacked_writable(tmp_path: Path) -> None:
    """As in an installed package without write bits."""
    folder = tmp_path / "zoo"
    shutil.copytree(ZOO_DIR / MODELS[0], folder / MODELS[0])
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    zoo.unpack(MODELS[0], tmp_path / "run", folder=folder)
    unpacked = [tmp_path / "run", *(tmp_path / "run").rglob("*")]
    assert all(path.stat().st_mode & 0o200 for path in unpacked), unpacked
