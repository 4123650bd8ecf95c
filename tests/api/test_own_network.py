"""Any network as a bundle: every way in, the whole chain behind it, and what does not fit told by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import own_networks
from tests.own_networks import POINTS, ROOMS, Centred, Gru, Mlp, Tcn, taught, walk
from tinyloc import Bundle
from tinyloc.bundle.schema import Preprocessing, load_bundle, load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.zoo.models import ZooError, load_card, unpack
from tinyloc.device.zoo.pack import pack
from tinyloc.errors import UserError
from tinyloc.export.errors import ExportError
from tinyloc.export.network.float_answers import FLOAT_FILE
from tinyloc.main import main

T = 12
TEST = walk(200, seed=5)
INPUTS = Preprocessing(access_points=list(POINTS), floor_dbm=-105, ceiling_dbm=-30)


def made(network: Any, folder: Path, /, **more: Any) -> Bundle:
    given = {"inputs": INPUTS, "classes": ROOMS, "calibration": walk(300, seed=1)[0], "test": TEST, **more}
    return Bundle.from_network(network, name="own", directory=folder / "own", **given)


def agreement(bundle: Bundle) -> float:
    """Share of the test samples that the integers decide as the float network does."""
    test_set, reference = load_test_set(bundle.directory), LocaliserReference(bundle.directory)
    decided = [reference.sample(*test_set.sparse(i)).class_index for i in range(len(test_set.label))]
    return float((np.array(decided) == test_set.float_class).mean())


@pytest.fixture(scope="module")
def tcn(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return made(taught(Tcn, T), tmp_path_factory.mktemp("tcn"), input={"samples": T})


def test_convolutions_and_pooling_are_one_program_whose_model_is_data(tmp_path: Path) -> None:
    programs = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        bundle = made(own_networks.Picture().eval(), tmp_path / str(seed))
        generated = tmp_path / f"generated{seed}"
        manifest = compile_bundle(bundle.directory, generated, updatable=True)
        assert manifest.updatable is not None
        programs.add(manifest.updatable.program_id)
        kinds = {kind for layer in manifest.layers for kind in ("conv_2d", "depthwise", "pool") if kind in layer.name}
        assert kinds == {"conv_2d", "depthwise", "pool"}, [layer.name for layer in manifest.layers]
        test_set, reference = load_test_set(bundle.directory), LocaliserReference(bundle.directory)
        device = HostLocaliser(generated)
        for i in range(40):
            sample = test_set.sparse(i)
            assert device.sample(*sample).scores.tolist() == reference.sample(*sample).scores.tolist()
    assert len(programs) == 1


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_a_window_network_runs_through_the_whole_chain_row_by_row(tcn: Bundle, tmp_path: Path) -> None:
    image = tcn.build(board="stm32l4")
    manifest = json.loads((image.generated / "manifest.json").read_text())
    assert any("one row per sample" in line for line in manifest["decisions"])
    assert manifest["state_bytes"] < (T - 1) * len(POINTS)
    seen: list[tuple[str, int, int]] = []
    result = image.emulate(measured=5, progress=lambda *step: seen.append(step))
    assert result.passed and result.verdict == "Passed" and seen[-1] == ("samples", 200, 200)
    assert result.macro_f1 > 0.8 and result.record.host_int.macro_f1 == result.macro_f1
    assert result.ram_bytes < 2048 and result.layers and result.energy_uj
    for name in ("it.html", "it.md", "it.xml", "it.json"):
        assert result.report(tmp_path / name).stat().st_size > 300
    assert "Passed" in result._repr_html_() and "own" in tcn._repr_html_()
    with pytest.raises(UserError, match=r"ends in \.html, \.md, \.xml, \.json"):
        result.report(tmp_path / "it.pdf")


def test_the_scores_of_the_test_set_are_those_of_windows_that_begin_in_silence(tcn: Bundle) -> None:
    test_set, net = load_test_set(tcn.directory), taught(Tcn, T)
    x = torch.cat([torch.zeros(T - 1, 6), own_networks.scaled(TEST[0])])
    with torch.no_grad():
        expected = torch.cat([net(x[i : i + T][None]) for i in range(len(test_set.label))]).numpy()
    np.testing.assert_allclose(test_set.float_scores, expected, atol=2e-4)
    assert agreement(tcn) > 0.97


def test_a_softmax_is_left_out_and_samples_beyond_the_calibration_are_counted(tmp_path: Path) -> None:
    told: list[str] = []
    quiet, label = walk(300, seed=1)
    far = TEST[0].copy()
    far[:30, :] = -30
    bundle = made(taught(Mlp), tmp_path, calibration=quiet[label == 0], test=(far, TEST[1]), tell=told.append)
    assert any("the last SOFTMAX is left out" in line for line in told)
    (line,) = [line for line in told if "leave the calibrated range" in line]
    assert int(line.split()[0]) >= 30
    assert load_test_set(bundle.directory).float_scores.min() < 0


def test_a_step_with_a_state_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """module:Class with its state dict, described by a TOML file."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    torch.save(Gru(hidden=5).state_dict(), "gru.pt")
    dbm, label = walk(120, seed=3)
    np.savez("calibration.npz", rssi_dbm=dbm)
    np.savez(
        "test.npz", rssi_dbm=dbm[:60], label=label[:60], recording=np.arange(60) // 20, position_m=np.zeros((60, 2))
    )
    Path("my.toml").write_text(
        f"""
name = "gru"
[input]
access_points = {json.dumps(list(POINTS))}
hold_samples = 2
[window]
steps = 5
hop = 5
rate_hz = 2.0
[output]
classes = {json.dumps(list(ROOMS))}
positions_m = [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [4.0, 4.0, 0.0]]
[network]
weights = "gru.pt"
arguments = {{ hidden = 5 }}
[[network.states]]
name = "h"
shape = [1, 5]
[samples]
calibration = "calibration.npz"
test = "test.npz"
[export]
arithmetics = ["int8", "int16x8"]
"""
    )
    assert main(["bundle", "new", "tests.own_networks:Gru", "--data", "my.toml", "--run", "g"]) == 0
    bundle = load_bundle(tmp_path / "runs/g/bundle")
    assert [m.arithmetic for m in bundle.models] == ["int8", "int16x8"] and bundle.architecture == "Gru"
    assert [s.name for s in bundle.models[0].states] == ["h"] and bundle.models[0].states[0].shape == [1, 5]
    assert bundle.parameters == sum(p.numel() for p in Gru(hidden=5).parameters())
    decided = load_test_set(tmp_path / "runs/g/bundle", bundle).float_class.reshape(3, 20)
    assert ((decided >= 0) == (np.arange(20) % 5 == 4)).all()
    assert main(["codegen", "g"]) == 0


def test_files_give_the_same_scores_as_the_module(tmp_path: Path, tcn: Bundle) -> None:
    """ONNX with an open batch, an exported program, and the integer file of the bundle itself."""
    net = taught(Tcn, T)
    torch.onnx.export(
        net, (torch.zeros(1, T, 6),), str(tmp_path / "my.onnx"), input_names=["x"], output_names=["y"], dynamo=False,
        dynamic_axes={"x": {0: "batch"}},
    )  # fmt: skip
    torch.export.save(torch.export.export(net, (torch.zeros(1, T, 6),)), tmp_path / "my.pt2")
    expected = load_test_set(tcn.directory).float_scores
    for file, more in (("my.onnx", {}), ("my.pt2", {"input": {"samples": T}})):
        found = made(tmp_path / file, tmp_path / "files", **more)
        np.testing.assert_allclose(load_test_set(found.directory).float_scores, expected, atol=2e-4)
    state = {"name": "kept", "input": "window_in", "output": "window_out"}
    ends = {"input": "reading", "output": "scores", "states": [state]}
    again = made(tcn.directory / "model_int8.tflite", tmp_path / "integer", network=ends)
    assert again.about.default_arithmetic == "int8"
    for index in range(0, 200, 40):
        samples = load_test_set(again.directory).sparse(index)
        assert (LocaliserReference(again.directory).sample(*samples).scores
                == LocaliserReference(tcn.directory).sample(*samples).scores).all()  # fmt: skip


def test_a_window_that_looks_ahead_runs_whole_and_says_so(tmp_path: Path) -> None:
    order = {"samples": T, "order": "access points, samples"}
    bundle = made(Centred(), tmp_path, input=order)
    from tinyloc.codegen.compile import compile_bundle

    manifest = compile_bundle(bundle.directory, tmp_path / "generated")
    (line,) = [line for line in manifest.decisions if "at every sample" in line]
    assert "a layer before it is not causal" in line and "RAM and latency count so" in line


@pytest.mark.parametrize(
    ("network", "more", "told"),
    [
        ("KeepsItsState", {}, "h changed while it ran: a state that the graph does not return"),
        ("Branches", {}, r"decides by values of tensors \(.*own_networks.py, line \d+\)"),
        ("Unsupported", {}, r"operator special_bessel_j0 in parts\.odd has no form in ONNX"),
        ("Inverse", {}, r"operator erfinv in parts\.0 has no form in ONNX"),
        ("TwoInputs", {}, r"Its forward has 2 inputs \(x, mask\): the first is the scan, the others must be states"),
        ("TwoOutputs", {}, r"returns 2 tensors \(\[1, 4\], \[1, 6\]\); 1 is expected: scores"),
        ("Gru", {}, r"does not take \[1, 6\].*network\.states for a step"),
        ("Gru", {"network": {"states": [{"name": "h"}]}}, "state h of a PyTorch module needs its shape"),
        ("Gru", {"network": {"states": [{"name": "h", "shape": [1, 9]}]}}, r"does not take \[1, 6\], \[1, 9\]"),
    ],
)
def test_surprises_of_pytorch_are_met_by_name(
    network: str, more: dict[str, Any], told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match=told):
        made(getattr(own_networks, network)(), tmp_path, **more)
    assert "Float(" not in "".join(capfd.readouterr()), "torch printed its graph"
    assert not (tmp_path / "own" / "bundle").exists()


def test_a_wrong_number_of_classes_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"gives 7 scores \[1, 7\]; 4 classes are named"):
        made(own_networks.SevenScores(), tmp_path)


DBM = walk(20, seed=4)[0]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"calibration": DBM[:, :5]}, r"calibration is float64 of shape \[20, 5\].*\(samples, 6\)"),
        ({"calibration": DBM[None]}, r"calibration is float64 of shape \[1, 20, 6\]"),
        ({"calibration": DBM * 0 + 300}, "120 readings beyond -127 to 20 dBm, such as 300"),
        ({"calibration": DBM * 0 + 0.5}, "lies in 0..1: give readings in dBm"),
        ({"calibration": DBM * 0 + 100}, "no access point is heard"),
        ({"test": (DBM, np.full(20, 4))}, "label holds 4 to 4; the 4 classes are 0 to 3"),
        ({"test": (DBM, np.zeros(19, int))}, r"label is int64 of shape \[19\]"),
        ({"classes": ["a", "a"]}, "'a' is named twice"),
        ({"window": {"steps": 0, "hop": 1, "rate_hz": 1.0}}, "window.steps"),
        ({"networks": {}}, "networks: Extra inputs"),
    ],
)
def test_samples_that_do_not_fit_are_told_before_anything_is_made(more: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=told):
        made(Mlp(), tmp_path, **more)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


def test_no_pickle_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"layers.0.weight": Harmful()}, "weights.pt")
    program = torch.export.export(Mlp(), (torch.zeros(1, 6),))
    torch.export.save(program, "plain.pt2")
    import zipfile

    with zipfile.ZipFile("plain.pt2") as old, zipfile.ZipFile("bad.pt2", "w") as new:
        for name in old.namelist():
            bad = name.endswith("sample_inputs/model.pt")
            new.writestr(name, Path("weights.pt").read_bytes() if bad else old.read(name))
    for network, more, told in (
        ("weights.pt", {}, "it is not unpickled"),
        ("tests.own_networks:Mlp", {"network": {"weights": "weights.pt"}}, "it is not unpickled"),
        ("bad.pt2", {}, "would be unpickled, which may run any code"),
    ):
        with pytest.raises(ExportError, match=told):
            made(network, tmp_path, **more)
    assert not Path("harm").exists()


def test_classes_and_arguments_are_checked_by_name(tmp_path: Path) -> None:
    for network, more, told in (
        ("tests.own_networks:Nothing", {}, r"no class Nothing in tests\.own_networks; its classes are .*Mlp"),
        ("no_such_module:Net", {}, "no module no_such_module"),
        ("net", {}, "give module:Class, or a file that ends in"),
        ("tests.own_networks:Mlp", {"network": {"arguments": {"size": 3}}}, r"takes \(hidden: int = 12\).*'size'"),
    ):
        with pytest.raises(UserError, match=told):
            made(network, tmp_path, **more)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_an_own_bundle_goes_into_a_zoo_and_comes_back(tcn: Bundle, tmp_path: Path) -> None:
    zoo = tmp_path / "zoo"
    run = tcn.directory.parent
    assert main(["zoo", "pack", str(run), "mine", "--board", "stm32l4", "--to", str(zoo)]) == 0
    card = load_card("mine", zoo)
    assert card.architecture == "Tcn" and card.test_samples == 200 and card.macro_f1 > 0.8
    assert "golden scans" in unpack("mine", tmp_path / "run", folder=zoo)
    again = Bundle.open(tmp_path / "run")
    assert agreement(again) > 0.9
    scores = load_test_set(again.directory)
    assert len(scores.label) == 64 and (scores.label == scores.float_class).all()


def test_a_bundle_without_its_float_file_is_not_packed(tcn: Bundle, tmp_path: Path) -> None:
    run = tmp_path / "own"
    shutil.copytree(tcn.directory.parent, run)
    (run / "bundle" / FLOAT_FILE).write_bytes(b"no TFLite file")
    with pytest.raises(UserError, match="is not the float file of its bundle"):
        pack(run, "mine", ["stm32l4"], folder=tmp_path / "zoo")
    (run / "bundle" / FLOAT_FILE).unlink()
    with pytest.raises(ZooError, match=r"neither a trained run nor .*make the bundle again with `tinyloc bundle new`"):
        pack(run, "mine", ["stm32l4"], folder=tmp_path / "zoo")
