"""Compression: each part against a plain computation, and integers in training against the exported graph's."""

import copy
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from tests.tiny_recipe import tiny_recipe
from tinyloc.bundle.schema import Preprocessing, load_bundle
from tinyloc.codegen.graph import Quantisation, Tensor
from tinyloc.export.flatbuffer import constant, graph, load, tensor_name
from tinyloc.export.litert import StepRunner
from tinyloc.export.pipeline import export_run
from tinyloc.export.step_names import StepNames
from tinyloc.integer_training.execution import limits, real_of, rounded, whole_of
from tinyloc.integer_training.tuner import INTEGERS
from tinyloc.training.calibration import calibration_stream
from tinyloc.training.compress import prune, select
from tinyloc.training.compress.footprint import least_constant_bytes, least_weight_bits
from tinyloc.training.compress.forms import (
    Int8Linear,
    dynamic,
    outlier_columns,
    serialised_bytes,
    static,
    static_outliers,
)
from tinyloc.training.compress.level import level_scores
from tinyloc.training.compress.scales import SCORE_MARGIN, affine, score_range
from tinyloc.training.compress.weight_grid import weight_integers, weight_scales
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import RecipeError, TrainingError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.recurrent import RecurrentLocaliser
from tinyloc.training.models.settings import Architecture, ModelSettings
from tinyloc.training.preprocess import model_input
from tinyloc.training.recipe import ExportSettings, Recipe, parse_recipe
from tinyloc.training.run import TrainedRun, load_run, train

RECIPE = """
name = "compressed"
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 2.0 }
[model]
architecture = "mlp"
hidden = [12, 8]
[training]
epochs = 6
batch = 128
learning_rate = 0.02
[export]
arithmetics = ["int8"]
"""


def recipe(text: str = "") -> Recipe:
    return parse_recipe(RECIPE + text, "compressed")


def mlp(*hidden: int, inputs: int = 6, classes: int = 3, seed: int = 0) -> MlpLocaliser:
    torch.manual_seed(seed)
    model = build_model(ModelSettings(architecture="mlp", hidden=list(hidden)), inputs, classes).eval()
    assert isinstance(model, MlpLocaliser)
    return model


def readings(count: int, inputs: int = 6, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, inputs, generator=generator)
    return torch.where(torch.rand(x.shape, generator=generator) < 0.4, 0.0, x)


@pytest.fixture(scope="module")
def aware(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Trained with pruning and integers in the loop, and exported."""
    text = """
[compression]
access_points = 7
hidden = [8, 8]
fine_tune_epochs = 2
forms = ["dynamic", "static"]
quantisation_aware = { epochs = 2 }
"""
    run = train(recipe(text), tmp_path_factory.mktemp("runs") / "aware", tuner=INTEGERS)
    export_run(run.directory)
    return run


def exported(run: TrainedRun) -> bytes:
    return (run.directory / "bundle" / "model_int8.tflite").read_bytes()


def test_the_exported_integers_are_those_of_the_training(aware: TrainedRun) -> None:
    """Weights, and every score of the test set; tests/integer_training has the other architectures."""
    model, content = aware.model, load(exported(aware))
    tensors = {tensor_name(tensor): tensor for tensor in graph(content).tensors}
    for name, layer in zip(["hidden.0", "hidden.1", "head"], model.linear_layers(), strict=True):
        found = constant(content, tensors[f"{name}/weight"])
        assert np.array_equal(found, weight_integers(layer.weight.detach()).numpy())
        kept = layer.weight.detach() - weight_integers(layer.weight.detach()) * weight_scales(layer.weight)
        assert float(kept.abs().max()) < 1e-6  # the checkpoint is on the grid
    stream = calibration_stream(aware.calibration)
    twin = INTEGERS.twin(copy.deepcopy(model), stream, False, "int8", {}).eval()
    x = model_input(np.where(aware.test_set.rssi_dbm == 127, np.nan, aware.test_set.rssi_dbm), aware.preprocessing)
    device = StepRunner(exported(aware), StepNames(())).run(x[:400])
    with torch.no_grad():
        assert np.array_equal(twin.network(torch.from_numpy(x[None, :400]))[0].numpy(), device)


def test_levelled_scores_tell_the_same_and_are_resolved_finer() -> None:
    model, x = mlp(12, classes=5), readings(400) * torch.linspace(0.1, 3.0, 400)[:, None]  # weak and strong scans
    with torch.no_grad():
        model.head.weight += 2.0
    before = model.network(x).detach()
    level_scores(model, x)
    after = model.network(x).detach()
    assert torch.allclose(before.softmax(1), after.softmax(1), atol=1e-5)
    best = after.amax(1)
    assert float(best.std()) < 0.1 * float(before.amax(1).std()) and abs(float(best.mean())) < 0.05
    steps = [affine(*score_range(scores.numpy()), "int8")[0] for scores in (before, after)]
    assert steps[1] < 0.2 * steps[0]


def test_scores_that_no_decision_asks_for_saturate() -> None:
    scores = np.array([[3.0, -50.0, 1.0], [-2.0, -9.0, -2.5], [7.0, 6.0, 5.0]])
    low, high = score_range(scores)
    assert (low, high) == (-2.0 - SCORE_MARGIN, 7.0)
    step, zero = affine(low, high, "int8")
    integers = np.clip(np.rint(scores / step) + zero, -128, 127)
    assert integers.argmax(1).tolist() == scores.argmax(1).tolist() and integers[0, 1] == -128
    assert score_range(np.array([[1.0, 0.5]])) == (0.0, 1.0)  # 0 has to be held


def test_a_scan_weaker_than_the_survey_keeps_its_order() -> None:
    """On TUT 2 the best score of some test scans lay below all that saturated: their mean place was 60 m off."""
    survey, weak = np.array([[9.0, 3.0, -20.0], [7.0, -30.0, 1.0]]), np.array([[0.5, -1.0, -40.0]])
    low, high = score_range(survey, weak)
    assert (low, high) == (0.5 - SCORE_MARGIN, 9.0)
    step, zero = affine(low, high, "int8")
    integers = np.clip(np.rint(weak / step) + zero, -128, 127)
    assert (integers[0, 0] - integers[0, 2]) * step > 0.9 * SCORE_MARGIN


def test_pruned_and_selected_sizes_are_what_is_deployed_and_read_back(aware: TrainedRun) -> None:
    again = load_run(aware.directory)
    assert [layer.weight.shape for layer in again.model.linear_layers()] == [(8, 7), (8, 8), (4, 8)]
    assert len(again.preprocessing.access_points) == 7
    assert again.record.parameters == 8 * 7 + 8 + 8 * 8 + 8 + 4 * 8 + 4
    assert again.record.epochs == 6 + 2 + 2


def test_forms_are_scored_on_the_test_split(aware: TrainedRun) -> None:
    told = aware.metrics["forms"]
    assert list(told) == ["float", "dynamic", "static"]
    assert told["float"]["macro_f1"] == pytest.approx(aware.record.test["macro_f1"])
    for form in told.values():
        assert abs(form["accuracy"] - told["float"]["accuracy"]) < 0.05 and form["serialised_bytes"] > 0


def test_rounding_passes_the_gradient_where_nothing_saturates() -> None:
    tensor = Tensor("x", (4,), "int8", Quantisation((0.03,), (10,)))
    x = torch.tensor([-9.0, -0.4, 0.3, 9.0], requires_grad=True)
    y = rounded(x, real_of(tensor, whole_of(tensor, x)), *limits(tensor))
    assert torch.allclose(y.detach(), torch.tensor([-4.14, -0.39, 0.3, 3.51]))
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_adaptive_rounding_in_a_run_is_exported_as_it_was_rounded(tmp_path: Path) -> None:
    run = train(recipe("[compression]\nadaptive_rounding = true"), tmp_path / "run", tuner=INTEGERS)
    plain = train(recipe(), tmp_path / "plain")
    moved = 0
    for layer, before in zip(run.model.linear_layers(), plain.model.linear_layers(), strict=True):
        steps = (layer.weight - before.weight) / weight_scales(before.weight)
        assert float(steps.detach().abs().max()) < 1.001
        assert torch.allclose(layer.weight, weight_integers(layer.weight) * weight_scales(layer.weight), atol=1e-7)
        moved += int((steps.abs() > 0.501).sum())
    assert moved > 0  # some weight was not rounded to its nearest


def test_a_recipe_that_trains_with_integers_needs_who_makes_them(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"pass tuner=tinyloc\.integer_training\.tuner\.INTEGERS"):
        train(recipe("[compression]\nadaptive_rounding = true"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_sequence_model_trains_with_the_integers_of_its_default_form(tmp_path: Path) -> None:
    text = RECIPE
    for old, new in {
        'architecture = "mlp"\nhidden = [12, 8]': 'architecture = "gru"\nhidden = 8\ncrf = true',
        "batch = 128": "batch = 8\nchunk = 20\nchunks_per_epoch = 32",
        '["int8"]': '["mixed"]\ndefault = "mixed"',
    }.items():
        text = text.replace(old, new)
    window, widths = "\n[window]\nsteps = 20\nhop = 10\n", '\n[export.widths]\n"*" = "w4a8"\n'
    aware = "[compression]\nquantisation_aware = { epochs = 2 }\n"
    run = train(parse_recipe(text + widths + window + aware, "four bits"), tmp_path / "run", tuner=INTEGERS)
    assert run.record.epochs == 6 + 2
    bundle = load_bundle(export_run(run.directory))
    (model,) = bundle.models
    content = load((run.directory / "bundle" / model.path).read_bytes())
    weights = [t for t in graph(content).tensors if tensor_name(t).endswith("/weight")]
    assert weights and all(t.type == schema.TensorType.INT4 for t in weights)
    (stage,) = [stage for stage in bundle.settings["parity"] if stage["stage"] == "mixed"]
    assert stage["error"] < 0.1  # the float model has the same weights


def test_pruning_keeps_the_units_that_matter_and_the_function_when_the_rest_is_dead() -> None:
    model, x = mlp(6, 5), readings(50)
    with torch.no_grad():
        for unit in (1, 4):  # adds nothing: never active
            model.hidden[0].weight[unit] = 0.0
            model.hidden[0].bias[unit] = -1.0
        model.head.weight[:, 2] = 0.0  # nobody listens
    smaller = prune.pruned(model, [4, 4], x)
    assert [tuple(layer.weight.shape) for layer in smaller.linear_layers()] == [(4, 6), (4, 4), (3, 4)]
    assert torch.allclose(smaller.network(x[None]), model.network(x[None]), atol=1e-6)


@pytest.mark.parametrize(("kind", "dense", "layers"), [("lstm", None, 1), ("gru", 0, 2), ("lstm", 7, 2)])
def test_pruning_recurrent_units_keeps_the_function_when_the_rest_is_unheard(
    kind: Architecture, dense: int | None, layers: int
) -> None:
    torch.manual_seed(4)
    settings = ModelSettings(architecture=kind, hidden=5, dense=dense, layers=layers, crf=True)
    model = build_model(settings, 4, 3).eval()
    assert isinstance(model, RecurrentLocaliser)
    last = model.head if model.dense is None else model.dense
    with torch.no_grad():
        for layer in range(layers):  # nobody listens to unit 1
            model.weights(layer)[1][:, 1] = 0.0
            (model.weights(layer + 1)[0] if layer + 1 < layers else last.weight)[:, 1] = 0.0
    x = torch.rand(6, 9, 4)
    smaller = prune.pruned_recurrent(model, 4, x)
    assert smaller.hidden == 4 and smaller.head.in_features == model.head.in_features - (dense == 0)
    assert torch.allclose(smaller.network(x), model.network(x), atol=1e-6)
    assert smaller.crf is not None and model.crf is not None
    assert torch.equal(smaller.crf.transitions, model.crf.transitions)


def test_a_pruned_lstm_trains_on_with_integers_and_is_read_back(tmp_path: Path) -> None:
    compression = "[compression]\nhidden = 3\nfine_tune_epochs = 1\n[compression.quantisation_aware]\nepochs = 1\n"
    run = train(
        tiny_recipe(f'{compression}[model]\narchitecture = "lstm"\nhidden = 5\n'), tmp_path / "run", tuner=INTEGERS
    )
    assert isinstance(run.model, RecurrentLocaliser) and run.model.hidden == 3
    assert run.model.dense is not None and run.model.dense.out_features == 5


def recorded(x: np.ndarray, label: np.ndarray) -> Recording:
    zeros = np.zeros((len(x), 3), np.float32)
    return Recording("r", x.astype(np.float32), zeros, label.astype(np.int32), np.arange(len(x)) / 5)


@pytest.mark.parametrize("kind", ["mlp", "gru"])
def test_the_need_of_an_access_point_is_what_its_silence_costs(kind: str) -> None:
    torch.manual_seed(0)
    hidden: int | list[int] = [5] if kind == "mlp" else 5
    model = build_model(ModelSettings(architecture=kind, hidden=hidden), 4, 3).eval()
    dbm = np.random.default_rng(0).integers(-90, -40, (30, 4)).astype(float)
    dbm[np.random.default_rng(1).random(dbm.shape) < 0.3] = np.nan
    dbm[:, 2] = np.nan
    label = np.random.default_rng(2).integers(-1, 3, 30)
    preprocessing = Preprocessing(access_points=list("abcd"), floor_dbm=-100, ceiling_dbm=0)

    def total(x: np.ndarray) -> float:
        scores = torch.log_softmax(model.stream(torch.from_numpy(model_input(x, preprocessing))), -1)
        return -sum(float(scores[n, c]) for n, c in enumerate(label) if c >= 0)

    found = select.gains(model, [recorded(dbm, label)], preprocessing)
    for point in range(4):
        silent = dbm.copy()
        silent[:, point] = np.nan
        assert found[point] == pytest.approx(total(silent) - total(dbm), abs=1e-3)
    assert found[2] == 0.0


def test_only_access_points_that_help_are_kept_and_at_most_so_many() -> None:
    gain = np.array([0.5, -1.0, 2.0, 0.0, 0.5, 1.0])
    assert select.best(gain, 6) == [0, 2, 4, 5]
    assert select.best(gain, 3) == [0, 2, 5]
    with pytest.raises(TrainingError, match="no access point helps"):
        select.best(-np.abs(gain), 2)


def plain_int8(x: np.ndarray, layer: torch.nn.Linear, threshold: float) -> np.ndarray:
    """LLM.int8() for one batch, number by number: the paper's section 3.2."""
    w, b = layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float16)
    out = np.zeros((len(x), len(w)))
    outlier = [k for k in range(x.shape[1]) if max(abs(x[:, k])) >= threshold]
    for n, c in np.ndindex(out.shape):
        row_scale = max((abs(v) for k, v in enumerate(x[n]) if k not in outlier), default=0.0) / 127
        weight_scale = max(abs(w[c])) / 127
        whole = 0
        for k in range(x.shape[1]):
            if k in outlier:
                half = np.float16(np.float32(round(w[c, k] / weight_scale) * weight_scale))
                out[n, c] += float(np.float16(x[n, k])) * float(half)
            else:
                whole += round(float(x[n, k]) / row_scale) * round(float(w[c, k]) / weight_scale)
        out[n, c] += whole * row_scale * weight_scale + float(b[c])
    return out


@pytest.mark.parametrize("outliers", [0, 2])
def test_static_int8_is_vector_wise_with_outliers_in_half_precision(outliers: int) -> None:
    torch.manual_seed(2)
    layer, x = torch.nn.Linear(9, 5), torch.randn(7, 9)
    x[:, :outliers] *= 30
    x[0, :outliers] = 40.0
    compressed = Int8Linear(layer)
    found = compressed(x).detach().numpy()
    assert outlier_columns(compressed) == (6.0, outliers, 9)
    assert np.allclose(found, plain_int8(x.numpy(), layer, 6.0), atol=2e-2 if outliers else 1e-5)
    exact = layer(x).detach().numpy()
    with_columns, without = (np.abs(Int8Linear(layer, t)(x).numpy() - exact).mean() for t in (6.0, 1e9))
    assert with_columns < without if outliers else with_columns == without


def test_a_threshold_is_found_at_which_a_small_model_has_outliers() -> None:
    torch.manual_seed(2)
    model = build_model(ModelSettings(architecture="mlp", hidden=[16]), 12, 3).eval()
    x = torch.rand(64, 1, 12)
    assert outlier_columns(model) is None
    ordinary, found = static(model), static_outliers(model, x)
    ordinary.network(x), found.network(x)
    assert outlier_columns(ordinary) == (6.0, 0, 28)
    threshold, columns, of = outlier_columns(found)
    assert threshold < 6.0 and 0 < columns < of == 28
    assert np.allclose(found.network(x).detach(), model.network(x).detach(), atol=0.05)


def test_static_int8_agrees_with_bitsandbytes() -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    torch.manual_seed(2)
    layer, x = torch.nn.Linear(32, 8), torch.randn(7, 32)
    x[:, 3] = 12.0
    theirs = bitsandbytes.nn.Linear8bitLt(32, 8, has_fp16_weights=False, threshold=6.0)
    theirs.load_state_dict(layer.state_dict())
    assert torch.allclose(Int8Linear(layer)(x), theirs.to("cpu")(x.half()).float(), atol=5e-2)


@pytest.mark.parametrize("kind", ["mlp", "mamba", "lstm", "gru", "mdcsa"])
def test_every_model_has_both_forms_and_keeps_its_own(kind: str) -> None:
    torch.manual_seed(0)
    hidden: int | list[int] = [64] if kind == "mlp" else 32
    model = build_model(ModelSettings(architecture=kind, hidden=hidden, crf=True), 40, 4).eval()
    x = torch.rand(2, 20, 40)
    exact = model.network(x)
    for form in (dynamic, static):
        compressed = form(model)
        assert float((compressed.network(x) - exact).std() / exact.std()) < 0.06
        assert serialised_bytes(compressed) < (serialised_bytes(model) if kind != "lstm" or form is dynamic else 1e9)
        assert compressed.crf is not None
    assert torch.equal(model.network(x), exact)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    assert serialised_bytes(model) == len(buffer.getvalue())


def test_a_model_that_cannot_fit_is_told_before_training(tmp_path: Path) -> None:
    settings = ModelSettings(architecture="mlp", hidden=[12, 8])
    least = least_constant_bytes(settings, 8, 4)
    assert least == 8 * 12 + 12 * 8 + 8 * 4 + 4 * (12 + 8 + 4)
    with pytest.raises(TrainingError, match=rf"at least {least} bytes of flash \(8 access points, 4 classes") as caught:
        train(recipe(f"[budget]\nflash_bytes = {least - 1}"), tmp_path / "run", lambda done: pytest.fail("trained"))
    assert "compression.access_points" in str(caught.value) and not (tmp_path / "run").exists()


def test_weights_of_four_bits_take_half_of_the_least() -> None:
    widths = {"*": "w8a8", "head": "w4a8"}
    mixed = ExportSettings.model_validate({"arithmetics": ["int8", "mixed"], "default": "mixed", "widths": widths})
    bits = least_weight_bits(mixed)
    settings = ModelSettings(architecture="mlp", hidden=[12, 8])
    assert least_constant_bytes(settings, 8, 4, bits) == (8 * 12 + 12 * 8 + 8 * 4) // 2 + 4 * (12 + 8 + 4)
    assert least_weight_bits(mixed.model_copy(update={"default": "int8"})) == 8  # the form that is built counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden = [13, 8]", r"compression.hidden = \[13, 8\] must be from 1 to model.hidden = \[12, 8\]"),
        ("hidden = 8", "layer by layer"),
        ("quantisation_aware = {}\nadaptive_rounding = true", "leaves nothing to round"),
        ("access_points = 0", "compression.access_points"),
        ("forms = ['int4']", "compression.forms.0"),
        ("quantisation_aware = { epoch = 3 }", r"unknown key \(known here: epochs, learning_rate\)"),
    ],
)
def test_a_wrong_compression_is_told(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(f"[compression]\n{text}")


def test_what_is_there_for_some_models_only_is_told() -> None:
    other = RECIPE.replace('"mlp"', '"mamba"').replace("[12, 8]", "8")
    with pytest.raises(RecipeError) as caught:
        parse_recipe(other + "[compression]\nhidden = 4\nadaptive_rounding = true\n", "compressed")
    assert "compression.hidden works with mlp, lstm, gru models only" in str(caught.value)
    assert "adaptive_rounding" not in str(caught.value)
    window = RECIPE.replace('"mlp"', '"mdcsa"\nattention = "window"').replace("[12, 8]", "8")
    with pytest.raises(RecipeError, match=r"needs model\.attention = 'streaming'"):
        parse_recipe(window + "[compression]\nadaptive_rounding = true\n", "compressed")
