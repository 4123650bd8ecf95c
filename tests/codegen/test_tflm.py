"""Back end tflm: what its code says, what is refused and why, and how large an arena is asked for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import MISSING
from tests.small_bundle import small_bundle
from tinyloc.bundle.schema import load_test_set
from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.compile import compile_for
from tinyloc.codegen.backends.tflm.harness import (
    ARCHIVE,
    RESOLVER,
    find_tflm,
    operator_kinds,
    positions,
    resolver_methods,
    window_bytes,
)
from tinyloc.codegen.backends.tflm_host import host_arena_bytes
from tinyloc.codegen.verify.integer_localiser import LocaliserReference

HEADER = """
class MicroMutableOpResolver {
  TfLiteStatus AddFullyConnected(const TFLMRegistration& registration = Register_FULLY_CONNECTED()) {
    return AddBuiltin(BuiltinOperator_FULLY_CONNECTED, registration, ParseFullyConnected);
  }
  TfLiteStatus AddAdd(const TFLMRegistration& registration = Register_ADD()) {
    return AddBuiltin(BuiltinOperator_ADD, registration, ParseAdd);
  }
  TfLiteStatus AddTanh(
      const TFLMRegistration& registration = Register_TANH()) {
    return AddBuiltin(BuiltinOperator_TANH, registration, ParseTanh);
  }
};
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that looks like a build: the header that is read, and an archive of one object for this machine."""
    directory = tmp_path / "tflm"
    header = directory / RESOLVER
    header.parent.mkdir(parents=True)
    header.write_text(HEADER)
    member = b"\x7fELF\x02\x01\x01" + bytes(9) + (1).to_bytes(2, "little") + (62).to_bytes(2, "little") + bytes(44)
    head = b"a.o/".ljust(48) + str(len(member)).encode().ljust(10) + b"`\n"
    (directory / ARCHIVE).write_bytes(b"!<arch>\n" + head + member)
    monkeypatch.setenv("TFLM_DIR", str(directory))
    return directory


@pytest.fixture
def host() -> None:
    if importlib.util.find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")


def test_code_has_exactly_the_operators(library: Path, host: None, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    manifest = compile_for("tflm", bundle, tmp_path / "generated", "int8")
    text = (tmp_path / "generated" / "model.cc").read_text()
    assert "MicroMutableOpResolver<3>" in text
    assert [line.split("->Add")[1].split("(")[0] for line in text.splitlines() if "resolver->Add" in line] == [
        "Add", "FullyConnected", "Tanh",
    ]  # fmt: skip
    assert "state->h" in text
    assert manifest.backend == "tflm" and manifest.constant_bytes == (bundle / "model.tflite").stat().st_size
    assert manifest.arena_bytes == manifest.plan[0].size and manifest.arena_bytes % 16 == 0
    again = compile_for("tflm", bundle, tmp_path / "again", "int8")
    assert again == manifest
    for file in (tmp_path / "generated").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_the_array_is_the_file(library: Path, host: None, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    compile_for("tflm", bundle, tmp_path / "generated", "int8")
    text = (tmp_path / "generated" / "weights.c").read_text()
    body = text.split("tl_tflm_model[")[1].split("{")[1].split("}")[0]
    content = np.array([int(word) for word in body.replace("\n", " ").split(",") if word.strip()], "<i4").tobytes()
    assert content.startswith((bundle / "model.tflite").read_bytes())


def test_the_arena_is_what_the_host_takes_and_a_margin(library: Path, host: None, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    manifest = compile_for("tflm", bundle, tmp_path / "generated", "int8")
    taken = host_arena_bytes(bundle / "model.tflite")
    assert taken + 256 <= manifest.arena_bytes < taken + 256 + 16
    assert f"arena: {taken} bytes on the host" in manifest.decisions[0]


def test_a_model_that_its_kernels_refuse(library: Path, host: None, tmp_path: Path) -> None:
    """EXP exists, but in float only: the reason is the interpreter's own."""
    (library / RESOLVER).write_text(HEADER.replace("TANH", "EXP").replace("Tanh", "Exp"))
    bundle = small_bundle(tmp_path / "bundle", kind="EXP")
    with pytest.raises(BackendError, match=r"cannot run this model: .*exp\.cc.*INT8 != FLOAT32"):
        compile_for("tflm", bundle, tmp_path / "generated", "int8")
    assert not (tmp_path / "generated").exists()


def test_a_model_with_an_operator_that_it_has_not(library: Path, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle", kind="LOGISTIC")
    with pytest.raises(BackendError, match="cannot run this model: it has no LOGISTIC"):
        compile_for("tflm", bundle, tmp_path / "generated", "int8")


def test_operators_and_positions_are_read_from_the_file(library: Path, tmp_path: Path) -> None:
    content = (small_bundle(tmp_path / "bundle") / "model.tflite").read_bytes()
    assert operator_kinds(content) == ["ADD", "FULLY_CONNECTED", "TANH"]
    assert positions(content) == ({"reading": 0, "h_in": 1}, {"scores": 0, "h_out": 1})
    assert resolver_methods(find_tflm(), content, tmp_path) == ["Add", "FullyConnected", "Tanh"]


def test_the_host_answers_nearly_as_litert(host: None, tmp_path: Path) -> None:
    """FULLY_CONNECTED is rounded twice there: a score may differ by a little, never by much; states are carried."""
    bundle = small_bundle(tmp_path / "bundle", samples=40)
    litert, tflm = LocaliserReference(bundle), LocaliserReference(bundle, backend="tflm")
    tests, largest, equal = load_test_set(bundle), 0, 0
    for recording in tests.recordings():
        litert.reset()
        tflm.reset()
        for i in range(recording.start, recording.stop):
            a, b = (each.sample(*tests.sparse(i)).scores.astype(int) for each in (litert, tflm))
            largest, equal = max(largest, int(np.abs(a - b).max())), equal + bool((a == b).all())
    assert largest <= 3 and equal > 20


def test_windows_of_convolutions_are_counted() -> None:
    from tests.codegen.equality import load

    model = TFLiteModel()
    x = model.input((1, 9, 7, 6), "int8", 0.05)
    w = model.constant(np.ones((8, 3, 2, 6), int), "int8", [0.01] * 8)
    y = model.unary("CONV_2D", [x, w, -1], (1, 7, 6, 8), "int8", 0.09, padding=1, strideH=1, strideW=1,
                    dilationHFactor=1, dilationWFactor=1)  # fmt: skip
    model.output(y)
    assert window_bytes(load(model)) == 2 * 2 * 3 * 2 * 6


def test_without_the_variable_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFLM_DIR", raising=False)
    with pytest.raises(BackendError, match=r"TFLM_DIR is not set\. .*tflite-micro.*libstdc\+\+-arm-none-eabi-newlib"):
        find_tflm()


def test_a_directory_that_is_not_the_library(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="for host, none for cortex-m3"):
        find_tflm().archive_for("cortex-m3")
    (library / ARCHIVE).unlink()
    with pytest.raises(BackendError, match=r"has no libtensorflow-microlite\.a"):
        find_tflm()
    (library / RESOLVER).unlink()
    with pytest.raises(BackendError, match=r"has no tensorflow/lite/micro/micro_mutable_op_resolver\.h"):
        find_tflm()
