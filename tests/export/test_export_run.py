"""A trained run exported for real, once: stages, contract, scales, names, bundle; then damaged files and failures."""

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.tiny_recipe import tiny_recipe
from tinyloc.bundle.schema import load_bundle, load_test_set
from tinyloc.export import contract, parity, pipeline
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import constant, dump, graph, load, operator_name, scales, set_constant, tensor_name
from tinyloc.export.integer_file import integer_file
from tinyloc.export.litert import StepRunner
from tinyloc.export.quantise.ranges import measure_ranges
from tinyloc.export.rank_widths import Need, rank_widths, ranking_table
from tinyloc.export.step_names import StepNames
from tinyloc.training.calibration import calibration_stream
from tinyloc.training.run import load_run, train

CHANGES = """
name = "tiny-export"
data.options.living_minutes = 2.0
model.hidden = 4
training = { epochs = 12, learning_rate = 0.03, chunks_per_epoch = 32 }
[export]
arithmetics = ["int8", "int16x8", "mixed"]
default = "int16x8"
[export.widths]
embed = "w4a8"
"blocks.*.scan" = "w8a16"
"blocks.*.step_size" = "w8a16"
"blocks.*.gate" = "w8a16"
"blocks.*.Mul" = "w8a16"
"""


@dataclass(frozen=True)
class Finished:
    """A run directory, its bundle, what the export said, and the export's own result."""

    run: Path
    bundle: Path
    told: list[str]
    exported: pipeline.Exported


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    directory = tmp_path_factory.mktemp("runs") / "tiny-export"
    train(tiny_recipe(CHANGES), directory)
    told: list[str] = []
    kept: list[pipeline.Exported] = []
    original = pipeline.export_model

    def keep(*arguments, **options):
        kept.append(original(*arguments, **options))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "export_model", keep)
        bundle = pipeline.export_run(directory, explain=True, tell=told.append)
    return Finished(directory, bundle, told, kept[0])


@pytest.fixture
def int16(finished):
    """The int16x8 file, to be damaged."""
    return load(finished.exported.files["int16x8"])


def problems(model, finished, arithmetic="int16x8"):
    return contract.problems(dump(model), finished.exported.names, arithmetic)


def tensor(model, name):
    return next(t for t in graph(model).tensors if tensor_name(t) == name)


# The result


def test_the_bundle_is_complete_and_describes_the_run(finished):
    bundle, run = load_bundle(finished.bundle), load_run(finished.run)
    assert bundle.name == "tiny-export"
    assert bundle.architecture == "mamba"
    assert bundle.default_arithmetic == "int16x8"
    assert bundle.preprocessing == run.preprocessing
    assert (bundle.window.steps, bundle.window.hop) == (10, 5)
    assert bundle.parameters == run.record.parameters
    assert bundle.crf is not None
    np.testing.assert_allclose(bundle.crf.transitions, run.model.crf.transitions.detach().numpy())
    assert {"onnx2tf", "torch", "ai-edge-litert"} <= bundle.provenance.versions.keys()
    assert "tensorflow" not in bundle.provenance.versions
    assert {path.name for path in finished.bundle.iterdir()} == {
        "bundle.json",
        "model.onnx",
        "model_int8.tflite",
        "model_int16x8.tflite",
        "model_mixed.tflite",
        "test.npz",
    }
    np.testing.assert_array_equal(load_test_set(finished.bundle).rssi_dbm, run.test_set.rssi_dbm)


def test_the_bundle_names_tensors_that_the_files_have(finished):
    for entry in load_bundle(finished.bundle).models:
        names = StepNames(tuple(state.name for state in entry.states))
        runner = StepRunner((finished.bundle / entry.path).read_bytes(), names)
        assert [list(value.shape) for value in runner.state] == [state.shape for state in entry.states]
        assert [state.name for state in entry.states] == ["conv_0", "scan_0"]


def test_every_stage_stays_near_the_one_before(finished):
    errors = {stage.stage: stage for stage in finished.exported.stages}
    assert list(errors) == ["step", "step form", "onnx", "tflite", "int8", "int16x8", "mixed"]
    for stage in ("step", "onnx", "tflite"):
        assert errors[stage].error < 1e-5
    assert errors["step form"].error < 1e-4
    assert errors["int16x8"].error < 0.03
    assert errors["int16x8"].agreement > 0.98
    assert errors["int16x8"].error < errors["int8"].error
    assert errors["mixed"].error < 0.1  # four bits of the first layer


def test_a_scan_of_16_bits_stands_among_layers_of_8(finished):
    mixed = load(finished.exported.files["mixed"])
    types = {tensor_name(t): t.type for t in graph(mixed).tensors}
    int4, int8, int16 = schema.TensorType.INT4, schema.TensorType.INT8, schema.TensorType.INT16
    assert types["scan_0_in"] == types["scan_0_out"] == types["blocks.0/Mul"] == int16
    assert types["reading"] == types["conv_0_in"] == types["blocks.0/b_proj"] == types["scores"] == int8
    assert types["embed/weight"] == int4
    kinds = [operator_name(mixed, operator) for operator in graph(mixed).operators]
    assert kinds.count("CAST") == 5  # a, u, z, B, C


def test_a_width_of_no_layer_is_named(finished):
    exact, names = load(finished.exported.float_file), finished.exported.names
    with pytest.raises(
        ExportError, match=r"widths of blocks\.\*\.scna: no such layer; the model has .*blocks\.0\.scan"
    ):
        integer_file(exact, names, {}, {"blocks.*.scna": "w8a16"})


def test_every_integer_file_holds_its_contract(finished):
    for arithmetic, content in finished.exported.files.items():
        assert contract.problems(content, finished.exported.names, arithmetic) == []


def test_the_graph_is_the_one_that_was_designed(int16):
    kinds = [operator_name(int16, operator) for operator in graph(int16).operators]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {
        "FULLY_CONNECTED": 11, "MUL": 11, "ADD": 3, "RESHAPE": 8, "RSQRT": 2, "LOGISTIC": 3, "ABS": 1, "EXP": 1,
        "LOG": 1, "BATCH_MATMUL": 1, "CONCATENATION": 1, "SLICE": 1, "DEPTHWISE_CONV_2D": 1,
    }  # fmt: skip


def test_tensors_carry_the_names_of_layers(int16):
    names = [tensor_name(t) for t in graph(int16).tensors]
    expected = {"embed", "blocks.0/u_proj", "blocks.0/dt_proj/weight", "blocks.0/conv/conv/bias", "head/weight"}
    assert expected <= set(names)
    used = {int(i) for operator in graph(int16).operators for i in (*operator.inputs, *operator.outputs) if i >= 0}
    assert len({names[i] for i in used}) == len(used)


def test_scales_come_from_the_ranges(int16):
    scale = float(scales(tensor(int16, "blocks.0/scan/Exp"))[0])
    assert scale == pytest.approx(1 / 32767, rel=0.01)
    assert float(scales(tensor(int16, "reading"))[0]) == pytest.approx(1 / 32767)


def test_readings_use_the_whole_int8_range(finished):
    reading = tensor(load(finished.exported.files["int8"]), "reading")
    assert float(scales(reading)[0]) == pytest.approx(1 / 255)
    assert int(reading.quantization.zeroPoint[0]) == -128


def test_biases_follow_the_new_scales(finished, int16):
    run = load_run(finished.run)
    bias, weight, source = (tensor(int16, name) for name in ("embed/bias", "embed/weight", "reading"))
    np.testing.assert_allclose(scales(bias), scales(weight) * scales(source), rtol=1e-6)
    real = constant(int16, bias) * scales(bias).astype(np.float64)
    np.testing.assert_allclose(real, run.model.embed.bias.detach().numpy(), atol=2 * float(scales(bias).max()))


def test_a_reset_runner_repeats_its_answers(finished):
    runner = StepRunner(finished.exported.files["int16x8"], finished.exported.names)
    x = pipeline.parity_streams(load_run(finished.run), 40)[0]
    first, again = runner.run(x), runner.run(x)
    np.testing.assert_array_equal(first, again)
    later = np.stack([runner.dequantise(runner.step(row)) for row in runner.quantise(x)])  # state goes on
    assert (later[0] != first[0]).any()


def test_ranges_are_of_each_stream_from_a_zero_state(finished):
    content, names = finished.exported.float_file, finished.exported.names
    x = pipeline.parity_streams(load_run(finished.run), 12)[0]
    apart = measure_ranges(content, names, list(x[:, None]))
    alone = [measure_ranges(content, names, [row[None]]) for row in x]
    for name, (low, high) in apart.items():
        assert low == min(each[name][0] for each in alone) and high == max(each[name][1] for each in alone)
    assert apart["scan_0_in"] == (0.0, 0.0) != measure_ranges(content, names, [x])["scan_0_in"]


def test_progress_ends_in_the_tables(finished):
    text = "\n".join(finished.told)
    assert "int16x8      tflite" in text
    assert "blocks.0/scan/MatMul" in text


def test_layers_are_ranked_by_what_16_bits_there_gain(finished):
    exported, run = finished.exported, load_run(finished.run)
    stream = calibration_stream(run.calibration)[:40]

    def of(content: bytes) -> Need:
        return Need(len(content), 10 * len(content), None)

    ranking = rank_widths(exported.float_file, exported.names, exported.ranges, [stream], of)
    gains = [found.error for found in ranking.layers if found.width == "w8a16"]
    assert gains == sorted(gains) and gains[0] < ranking.int8
    assert next(iter(ranking.proposed)) == ranking.layers[0].layer
    assert ranking.int16x8 <= ranking.proposed_error < gains[0] or len(ranking.proposed) == 1
    layers = {found.layer for found in ranking.layers}
    assert {"embed", "head", "blocks.0.scan", "blocks.0.norm", "blocks.0.u_proj"} <= layers
    assert "scan_0_out" not in layers  # moves values only
    four = {found.layer: found for found in ranking.layers if found.width == "w4a8"}
    assert {"embed", "head", "blocks.0.u_proj"} <= four.keys() and "blocks.0.scan" not in four
    assert four["blocks.0.u_proj"].added.flash < 0 and four["blocks.0.u_proj"].added.cycles is None
    text = ranking_table(ranking)
    assert f'"{ranking.layers[0].layer}" = "w8a16"' in text and "budget exceeded" not in text

    tight = Need(ranking.int8_need.flash - 60, None, None)
    within = rank_widths(exported.float_file, exported.names, exported.ranges, [stream], of, tight)
    assert within.fits and "w4a8" in within.proposed.values()
    assert within.proposed_need.flash <= tight.flash
    nothing = rank_widths(exported.float_file, exported.names, exported.ranges, [stream[:4]], of, Need(1, None, None))
    assert not nothing.fits and set(nothing.proposed.values()) == {"w4a8"}
    assert "budget exceeded: it allows 1 B of flash" in ranking_table(nothing)


def test_explain_points_at_the_layer_that_costs_the_accuracy(finished, int16):
    weight = tensor(int16, "blocks.0/c_proj/weight")
    set_constant(int16, weight, (constant(int16, weight) // 32 * 32).astype(np.int8))
    x = pipeline.parity_streams(load_run(finished.run), 60)[0]
    layers = parity.layer_errors(finished.exported.float_file, dump(int16), finished.exported.names, [x])
    worst = max(layers, key=lambda layer: layer.added)
    assert worst.name == "blocks.0/c_proj"
    assert worst.operator == "FULLY_CONNECTED"
    assert any(line.startswith("* blocks.0/c_proj ") for line in parity.layer_table(layers).splitlines())


# Damaged files


def test_an_operator_without_integer_code_is_named_with_its_place(finished, int16):
    exp = next(o for o in graph(int16).operators if operator_name(int16, o) == "EXP")
    int16.operatorCodes[exp.opcodeIndex].builtinCode = schema.BuiltinOperator.TILE
    int16.operatorCodes[exp.opcodeIndex].deprecatedBuiltinCode = schema.BuiltinOperator.TILE
    found = problems(int16, finished)
    assert found == ["operator TILE at blocks.0/scan/Exp has no integer code"]


def test_a_float_tensor_and_an_open_shape_are_found_together(finished, int16):
    tensor(int16, "embed").type = 0
    tensor(int16, "scores").shapeSignature = np.array([-1, 4])
    found = problems(int16, finished)
    assert "embed is float" in found
    assert "scores has no static shape" in found


def test_an_untied_state_is_found(finished, int16):
    state = tensor(int16, "scan_0_in")
    state.quantization = copy.deepcopy(state.quantization)
    state.quantization.scale = scales(state) * np.float32(1.01)
    assert problems(int16, finished) == [
        "scan_0_in and scan_0_out differ in scale: the step cannot run on its own output"
    ]


def test_the_wrong_arithmetic_is_found(finished, int16):
    assert any("is INT16 in an int8 file" in line for line in problems(int16, finished, "int8"))


def test_renamed_inputs_are_found(finished, int16):
    tensor(int16, "reading").name = "x"
    assert problems(int16, finished)[0] == "inputs are x, conv_0_in, scan_0_in instead of reading, conv_0_in, scan_0_in"
    with pytest.raises(ExportError, match="no tensor reading"):
        StepRunner(dump(int16), finished.exported.names)


# Failures


def test_a_failed_export_leaves_the_old_bundle_alone(finished, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    before = (run / "bundle" / "bundle.json").read_text()
    bad = [parity.StageError("int16x8", "tflite", 0.5, 0.6, 3.0)]
    broken = pipeline.Exported(finished.exported.names, b"", {"int16x8": b"x"}, bad)
    monkeypatch.setattr(pipeline, "export_model", lambda *_, **__: broken)
    with pytest.raises(ExportError, match=r"int16x8 differs by 0\.50.*--explain"):
        pipeline.export_run(run)
    assert (run / "bundle" / "bundle.json").read_text() == before
    assert sorted(p.name for p in run.iterdir()) == sorted(p.name for p in finished.run.iterdir())


def test_a_poor_arithmetic_that_is_not_the_default_is_noted_only():
    told: list[str] = []
    pipeline._check_default([parity.StageError("int8", "tflite", 0.5, 0.6, 3.0)], "int16x8", told.append)
    assert told == [
        "note: int8 differs by 0.50 of the scores' deviation (bound 0.15); it is in the bundle but is not the default"
    ]


def test_a_stage_that_departs_is_an_error():
    with pytest.raises(ExportError, match=r"stage onnx differs from step form by 0\.01"):
        pipeline._bounded(parity.StageError("onnx", "step form", 0.01, 1.0, 0.1))
    with pytest.raises(ExportError, match="nan"):
        pipeline._bounded(parity.StageError("onnx", "step form", float("nan"), 1.0, 0.1))


def test_parity_is_kept_in_the_bundle(finished):
    content = json.loads((finished.bundle / "bundle.json").read_text())
    kept = {stage["stage"]: stage["error"] for stage in content["settings"]["parity"]}
    assert kept["mixed"] == finished.exported.stages[-1].error
