"""Images of other back ends: built, run in the emulator, compared, and never taken for one another."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.libraries import bakenn_sources, build_archive, core_headers, users_directory
from tests.small_bundle import small_bundle
from tinyloc.boards import Board, load_board
from tinyloc.bundle.schema import load_bundle
from tinyloc.codegen.backend_names import BACKENDS, Backend, BackendError, backend_named
from tinyloc.codegen.backends.compile import compile_for
from tinyloc.codegen.compile import compile_bundle, model_id
from tinyloc.codegen.manifest import Manifest, read_manifest
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.debug_layers import compare_layers
from tinyloc.device.evaluation.evaluate import EvaluationError, evaluate
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.image.backends import extras_of
from tinyloc.device.image.build import BuildResult, build_firmware
from tinyloc.device.report import compare_backends as comparing
from tinyloc.device.report.compare_backends import compare_backends, times_native
from tinyloc.device.report.summary import summary
from tinyloc.main import main

pytest.importorskip("ai_edge_litert", reason="tests make their TFLite files with its schema")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The subset in bakenn, compiled for the Cortex-M4, as CMSIS_NN_DIR."""
    sources = bakenn_sources(request.config.cache.mkdir("bakenn"))
    directory = build_archive(sources, tmp_path_factory.mktemp("library"), "cortex-m4f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMSIS_NN_DIR", str(directory))
        patch.setenv("C_INCLUDE_PATH", str(core_headers(sources)))
        yield directory


class Run:
    """A bundle of two layers and a table, in native code and in the library's."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.board = directory, load_board("stm32l4")
        self.bundle = small_bundle(directory / "bundle", recurrent=False)
        for backend in ("native", "cmsis_nn"):
            compile_for(backend_named(backend), self.bundle, self.generated(backend), "int8")

    def generated(self, backend: str) -> Path:
        return self.directory / f"generated-{backend}"

    def manifest(self, backend: str) -> Manifest:
        return read_manifest(self.generated(backend))

    def build(self, backend: str, debug_layers: bool = False) -> BuildResult:
        extras = extras_of(self.manifest(backend), self.board)
        out = self.directory / f"firmware-{backend}-{debug_layers}"
        return build_firmware(self.generated(backend), self.board, out, debug_layers=debug_layers, extras=extras)

    def evaluate(self, generated: str, image: str) -> Evaluation:
        build = self.build(image)
        device = EmulatedDevice(build.elf, self.board)
        return evaluate(self.bundle, self.generated(generated), build, self.board, device)


@pytest.fixture(scope="module")
def run(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


def test_the_library_runs_and_equals_its_reference(run: Run) -> None:
    found = run.evaluate("cmsis_nn", "cmsis_nn")
    assert (found.backend, found.mismatches, found.samples) == ("cmsis_nn", 0, 24)
    assert found.litert is not None and found.litert.samples < 12 and found.litert.largest <= 2
    assert [layer.name for layer in found.layers][::2] == [
        "layer_00_cmsis_nn_fully_connected", "layer_02_cmsis_nn_fully_connected",
    ]  # fmt: skip
    assert any("arm_nn_vec_mat_mult" in function.name for function in found.functions)
    assert summary(found)["litert_differences"] == found.litert.model_dump()
    native = run.evaluate("native", "native")
    assert (native.backend, native.mismatches, native.litert) == ("native", 0, None)
    assert native.model_id != found.model_id


@pytest.mark.parametrize(("generated", "image"), [("native", "cmsis_nn"), ("cmsis_nn", "native")])
def test_an_image_of_another_back_end_is_not_believed(run: Run, generated: str, image: str) -> None:
    """By its id, and by the name of the back end in HELLO."""
    with pytest.raises(EvaluationError, match=f"runs model.*the device has back end {image}, the generated code"):
        run.evaluate(generated, image)


def test_the_back_end_is_part_of_the_models_id(run: Run) -> None:
    bundle = load_bundle(run.bundle)
    ids = {model_id(bundle, bundle.models[0], backend) for backend in BACKENDS}
    assert len(ids) == len(BACKENDS)
    assert run.manifest("cmsis_nn").model_id == model_id(bundle, bundle.models[0], "cmsis_nn")


def test_layers_of_the_library_are_told_apart(run: Run) -> None:
    elf = run.build("cmsis_nn", debug_layers=True).elf
    found = compare_layers(run.bundle, run.generated("cmsis_nn"), run.board, EmulatedDevice(elf, run.board))
    assert found.equal and found.layers == 3


def test_generated_code_is_the_same_each_time(run: Run, tmp_path: Path) -> None:
    compile_for("cmsis_nn", run.bundle, tmp_path / "again", "int8")
    for file in run.generated("cmsis_nn").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_an_archive_for_another_core_is_refused(run: Run) -> None:
    manifest, board = run.manifest("cmsis_nn"), load_board("aducm3029")
    with pytest.raises(BackendError, match=r"libcmsis-nn\.a is for cortex-m4f, aducm3029 has a cortex-m3: set"):
        extras_of(manifest, board)


def test_another_archive_than_the_code_was_made_for(
    run: Run, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(library / "Include", tmp_path / "Include")
    (tmp_path / "libcmsis-nn.a").write_bytes((library / "libcmsis-nn.a").read_bytes() + b"\n")
    monkeypatch.setenv("CMSIS_NN_DIR", str(tmp_path))
    with pytest.raises(BackendError, match=r"belongs to another libcmsis-nn\.a .*`tinyloc codegen --backend cmsis_nn`"):
        extras_of(run.manifest("cmsis_nn"), run.board)


def test_commands_without_the_library(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CMSIS_NN_DIR", raising=False)
    small_bundle(tmp_path / "small" / "bundle")
    assert main(["codegen", str(tmp_path / "small"), "--backend", "cmsis_nn"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "CMSIS_NN_DIR is not set" in told
    assert main(["codegen", str(tmp_path / "small"), "--backend", "cmsis"]) == 2
    assert "is not one of 'native', 'cmsis_nn', 'tflm'" in capsys.readouterr().err
    assert not (tmp_path / "small" / "generated").exists()


def test_commands_name_the_back_end_in_their_hints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_bundle(tmp_path / "small" / "bundle")
    compile_bundle(tmp_path / "small" / "bundle", tmp_path / "small" / "generated" / "int8")
    for command in ("build", "emulate"):
        assert main([command, str(tmp_path / "small"), "--backend", "cmsis_nn"]) == 2
        assert "--backend cmsis_nn`" in capsys.readouterr().err


def test_tflm_of_the_user_runs(tmp_path: Path) -> None:
    """The interpreter on the board answers as on the host, states included; a board of the archive's core is taken."""
    from tinyloc.codegen.backends.tflm.harness import find_tflm

    users_directory("TFLM_DIR")
    core = find_tflm().archives[0].core
    board = load_board("stm32l4" if core == "cortex-m4f" else "cortex-m3")
    bundle, generated = small_bundle(tmp_path / "bundle"), tmp_path / "generated"
    manifest = compile_for("tflm", bundle, generated, "int8")
    build = build_firmware(generated, board, tmp_path / "firmware", extras=extras_of(manifest, board))
    found = evaluate(bundle, generated, build, board, EmulatedDevice(build.elf, board))
    assert (found.backend, found.mismatches) == ("tflm", 0)
    assert found.litert is not None and found.litert.largest <= 3
    assert found.ram.arena == manifest.arena_bytes
    (layer,) = found.layers
    assert layer.name == "tl_tflm_invoke" and layer.cycles


def test_compare_shows_what_there_is_and_says_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CMSIS_NN_DIR", raising=False)
    monkeypatch.delenv("TFLM_DIR", raising=False)
    small_bundle(tmp_path / "small" / "bundle")
    out = tmp_path / "compare.json"
    assert main(["compare", str(tmp_path / "small"), "--json", str(out)]) == 0
    told = capsys.readouterr().out
    rows = {row["backend"]: row for row in json.loads(out.read_text())}
    native = rows["native"]
    assert native["mismatches"] == 0 and native["cycles_median"] > 0
    for value in (native["cycles_median"], native["instructions_median"], native["flash_bytes"], native["ram_bytes"]):
        assert f" {value:,.0f} " in told
    assert "native equals LiteRT on all 24 samples." in told
    assert "CMSIS_NN_DIR is not set" in rows["cmsis_nn"]["reason"] and "cmsis_nn: CMSIS_NN_DIR is not set" in told
    assert "TFLM_DIR is not set" in rows["tflm"]["reason"]
    assert (tmp_path / "small" / "evaluation-stm32l4.json").is_file()


def test_compare_puts_the_library_beside_native(library: Path, run: Run) -> None:
    def places(backend: Backend) -> tuple[Path, Path]:
        return run.directory / "c" / backend / "generated", run.directory / "c" / backend / "firmware"

    rows = compare_backends(run.bundle, "int8", run.board, "Os", ["native", "cmsis_nn"], places)
    assert [row.backend for row in rows] == ["native", "cmsis_nn"]
    assert all(row.evaluation is not None and row.evaluation.mismatches == 0 for row in rows)
    ratio = times_native(rows, lambda e: e.flash.total)
    assert ratio["native"] == 1.0 and 0.5 < ratio["cmsis_nn"] < 2.0 and ratio["cmsis_nn"] != 1.0
    assert "LiteRT" in rows[1].equality


def test_compare_tells_of_a_device_that_answers_wrongly(run: Run) -> None:
    def wrong(*args: object, **options: object) -> Evaluation:
        evaluation = evaluate(*args, **options)  # type: ignore[arg-type]
        return evaluation.model_copy(update={"mismatches": 3})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "evaluate", wrong)
        rows = compare_backends(
            run.bundle, "int8", run.board, "Os", ["native"], lambda b: (run.directory / "w", run.directory / "f")
        )
    assert rows[0].equality == "3 of 24 answers differ from its own reference"
