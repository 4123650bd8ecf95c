"""Training with integers: its scores and integers against LiteRT's and the exported file's, for every architecture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor

from tinyloc.codegen.graph import Graph, Operator, Quantisation
from tinyloc.codegen.graph import Tensor as GraphTensor
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import constant, graph, load, scales, tensor_name
from tinyloc.export.parity import tflite_scores
from tinyloc.export.pipeline import export_model
from tinyloc.export.quantise.widths import Widths
from tinyloc.integer_training.absorbed import absorb
from tinyloc.integer_training.execution import Execution, Value, real_of
from tinyloc.integer_training.rounding import RoundingSettings, round_adaptively
from tinyloc.integer_training.surrogates import surrogate
from tinyloc.integer_training.twin import IntegerTwin
from tinyloc.training.distil.guide import Guide
from tinyloc.training.distil.hidden import watch
from tinyloc.training.distil.settings import Distillation, Teacher
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.own import OwnLocaliser
from tinyloc.training.models.settings import ModelSettings

INPUTS, CLASSES, STEPS = 6, 4, 12
MODELS: dict[str, ModelSettings] = {
    "mlp": ModelSettings(architecture="mlp", hidden=[12, 8]),
    "lstm": ModelSettings(architecture="lstm", hidden=6, dense=8),
    "gru": ModelSettings(architecture="gru", hidden=6, layers=2),
    "mamba": ModelSettings(architecture="mamba", hidden=6, layers=1, state_size=4),
    "mdcsa": ModelSettings(architecture="mdcsa", hidden=8, layers=1, context=5),
}
SCAN_16 = {"blocks.*.scan": "w8a16", "blocks.*.step_size": "w8a16"}
WIDTHS = {
    "w8a8": {"*": "w8a8"},
    "w8a16": {"*": "w8a16"},
    "w4a8": {"*": "w4a8"},
    "w4a16": {"*": "w4a16"},
    "w4a16, conv w8": {"*": "w4a16", "blocks.*.conv": "w8a16"},  # depthwise convolutions have no w4a16
    "scan 16": {"*": "w4a8", **SCAN_16},
}
FOR_MAMBA = {"scan 16", "w4a16, conv w8"}
CASES = [
    (kind, name) for kind in MODELS for name in WIDTHS if name not in (FOR_MAMBA if kind != "mamba" else {"w4a16"})
]


def model_of(kind: str) -> Localiser:
    """Parameters as after training: none is 0, 1 or equal to another, so that the converter leaves nothing out."""
    torch.manual_seed(3)
    model = build_model(MODELS[kind], INPUTS, CLASSES).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def readings(windows: int, steps: int = STEPS, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(windows, steps, INPUTS, generator=generator)
    return torch.where(torch.rand(x.shape, generator=generator) < 0.3, 0.0, x)


CALIBRATION = readings(10).flatten(0, 1).numpy()


@pytest.fixture(scope="module")
def twins() -> dict[str, IntegerTwin]:
    return {}


def twin_of(twins: dict[str, IntegerTwin], kind: str, widths: str) -> IntegerTwin:
    """One conversion for each architecture."""
    if kind not in twins:
        twins[kind] = IntegerTwin(model_of(kind), CALIBRATION, False, WIDTHS["w8a8"])
    twin = twins[kind]
    twin.model.load_state_dict(model_of(kind).state_dict())
    absorb(twin.model)
    twin.widths = WIDTHS[widths]
    twin.eval()
    return twin


def trained(twin: IntegerTwin, steps: int = 8, seed: int = 5) -> list[float]:
    """Losses of a few steps towards random labels."""
    x = readings(4, seed=seed)
    label = torch.randint(CLASSES, x.shape[:2], generator=torch.Generator().manual_seed(seed))
    optimiser = torch.optim.AdamW(twin.parameters(), lr=0.01)
    losses = []
    twin.train()
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(twin.network(x).flatten(0, 1), label.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("kind", "widths"), CASES)
def test_scores_are_those_of_the_integer_file_before_and_after_training(
    kind: str, widths: str, twins: dict[str, IntegerTwin]
) -> None:
    twin, x = twin_of(twins, kind, widths), readings(3, seed=1)
    for _ in range(2):
        tracked = twin.network(x).detach().numpy()
        with torch.no_grad():
            plain = twin.network(x).numpy()
        file = tflite_scores(twin.content(), twin.names, list(x.numpy())).reshape(tracked.shape)
        assert np.array_equal(tracked, file) and np.array_equal(plain, file)
        assert len(np.unique(file)) > 8
        trained(twin, 3)


@pytest.mark.parametrize(("kind", "widths"), [(kind, "scan 16" if kind == "mamba" else "w4a8") for kind in MODELS])
def test_the_exported_integers_are_those_of_the_training(
    kind: str, widths: str, twins: dict[str, IntegerTwin], tmp_path: Path
) -> None:
    twin = twin_of(twins, kind, widths)
    trained(twin)
    model = twin.finished()
    twin.eval()
    x = list(readings(2, seed=2).numpy())
    exported = export_model(model, CALIBRATION, x, tmp_path / "step.onnx", ["mixed"], widths=twin.widths)
    mine, theirs = load(twin.content()), load(exported.files["mixed"])
    own = {tensor_name(t): t for t in graph(mine).tensors}
    assert len(graph(mine).operators) == len(graph(theirs).operators)
    for tensor in graph(theirs).tensors:
        other = own[tensor_name(tensor)]
        values = constant(theirs, tensor)
        assert tensor.type == other.type
        assert scales(tensor) == pytest.approx(scales(other), rel=1e-5)
        if values is not None and scales(tensor).size:
            difference = np.abs(values.astype(np.int64) - constant(mine, other).astype(np.int64))
            assert difference.max() <= (values.dtype.itemsize > 2)  # a bias: its scale may differ in the last bit
    with torch.no_grad():
        scores = twin.network(torch.from_numpy(np.stack(x))).numpy().reshape(-1, CLASSES)
    found = tflite_scores(exported.files["mixed"], twin.names, x)
    assert np.mean(np.isclose(scores, found, rtol=1e-5, atol=1e-6)) > 0.99  # scales may differ in their last bits


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_are_near_those_of_the_float_model(kind: str, twins: dict[str, IntegerTwin]) -> None:
    """With 16 bits, where rounding is small."""
    twin, x = twin_of(twins, kind, "w8a16"), readings(3, seed=4)
    direction = torch.randn(3, STEPS, CLASSES, generator=torch.Generator().manual_seed(1))
    for network in (twin.model.network, twin.network):
        twin.model.zero_grad()
        (network(x) * direction).sum().backward()
        found = {name: p.grad.clone() for name, p in twin.model.named_parameters() if p.grad is not None}
        if network == twin.model.network:
            expected = found
    assert {name for name, p in twin.model.named_parameters() if p.requires_grad} == found.keys()
    for name, gradient in found.items():
        near = torch.nn.functional.cosine_similarity(gradient.flatten(), expected[name].flatten(), dim=0)
        assert near > 0.9 or expected[name].abs().max() < 1e-4, name


@pytest.mark.parametrize("kind", MODELS)
def test_training_lowers_the_loss_of_four_bit_weights(kind: str, twins: dict[str, IntegerTwin]) -> None:
    twin = twin_of(twins, kind, "w4a8")
    losses = trained(twin, 25)
    assert losses[-1] < losses[0] - 0.03


@pytest.mark.parametrize("kind", MODELS)
def test_finished_weights_lie_on_their_grid_and_parameters_are_trainable(
    kind: str, twins: dict[str, IntegerTwin]
) -> None:
    twin = twin_of(twins, kind, "w4a8")
    content = twin.content()
    before = {name: p.detach().clone() for name, p in twin.model.named_parameters()}
    model = twin.finished()
    real = {name: value.detach().numpy() for name, value in twin.float_step.constants().items()}
    for name, values in twin.float_step.snapped(real, Widths(twin.widths)).items():
        assert np.allclose(values, real[name], rtol=2e-6, atol=1e-9), name
    assert all(p.requires_grad for p in model.parameters())
    assert any(not torch.equal(p, before[name]) for name, p in model.named_parameters())
    file = load(content)
    weights = [constant(file, t) for t in graph(file).tensors if t.type == schema.TensorType.INT4]
    assert weights and all(np.abs(w).max() <= 7 for w in weights)


def test_absorbed_models_compute_the_same() -> None:
    x = readings(2)
    for kind in MODELS:
        model = model_of(kind)
        before = model.network(x)
        after = absorb(model).network(x)
        assert torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "gru", "mdcsa"])
def test_adaptive_rounding_keeps_the_outputs_nearer_than_rounding_to_the_nearest(
    kind: str, twins: dict[str, IntegerTwin]
) -> None:
    twin, x = twin_of(twins, kind, "w4a8"), readings(12, seed=7)
    exact = twin.model.network(x).detach()
    nearest = twin_of(twins, kind, "w4a8").finished().network(x).detach()
    twin = twin_of(twins, kind, "w4a8")
    snapped = twin.snapped()
    generator = torch.Generator().manual_seed(1)
    round_adaptively(twin, x, generator, RoundingSettings(iterations=300))
    with torch.no_grad():
        real = {name: value.numpy() for name, value in twin.float_step.constants().items()}
    moved = sum(int((np.abs(real[one.name] - snapped[one.name]) > 1e-6).sum()) for one in twin.float_step.learnt())
    assert moved > 5  # some weight was not rounded to its nearest
    rounded = twin.model.network(x).detach()
    assert (rounded - exact).square().mean() < 0.8 * (nearest - exact).square().mean()
    for name, values in twin.snapped().items():
        assert np.allclose(values, real[name], rtol=2e-6, atol=1e-9), name  # and they stay there


def test_samples_that_stand_apart_start_anew(twins: dict[str, IntegerTwin]) -> None:
    twin = twin_of(twins, "lstm", "w8a8")
    x = readings(1, 20)[0]
    with torch.no_grad():
        apart, row = twin.scores(x, apart=True), twin.network(x[:, None])[:, 0]
    assert torch.equal(apart, row) and not torch.equal(apart, twin.scores(x))


def test_hooks_on_the_head_see_what_the_head_sees(twins: dict[str, IntegerTwin]) -> None:
    twin, x, seen = twin_of(twins, "gru", "w8a16"), readings(2), []
    handle = twin.head.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    twin.network(x)
    twin.model.network(x)
    handle.remove()
    assert seen[0].shape == seen[1].shape and torch.allclose(seen[0], seen[1], atol=0.02)
    assert seen[0].requires_grad


@pytest.mark.parametrize("kind", ["gru", "mamba"])
def test_hidden_states_of_a_teacher_reach_the_parameters_of_a_twin(kind: str, twins: dict[str, IntegerTwin]) -> None:
    twin, x = twin_of(twins, kind, "w8a8"), readings(2)
    teacher = build_model(ModelSettings(architecture="lstm", hidden=7), INPUTS, CLASSES)
    settings = Distillation(teachers=[Teacher(run="any")], alpha=0.0, hidden_weight=1.0, relation_weight=1.0)
    guide = Guide(settings, [teacher], twin, STEPS)
    scores = twin.network(x)
    guide.loss(x, scores, 0.0 * scores.sum()).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in twin.model.parameters())
    assert guide.projections is not None and guide.projections[0].weight.grad is not None


class OwnNetwork(torch.nn.Module):
    """A network of a user's: no context, no states."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.first, self.head = torch.nn.Linear(inputs, 6), torch.nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(x)))


def test_a_network_of_the_user_trains_with_its_integers_too() -> None:
    torch.manual_seed(2)
    settings = ModelSettings(architecture=f"{__name__}:OwnNetwork")
    twin = IntegerTwin(
        OwnLocaliser(settings, OwnNetwork(INPUTS, CLASSES), INPUTS, CLASSES), CALIBRATION, False, {"*": "w4a8"}
    )
    x = readings(2)
    scores = twin.network(x)
    scores.sum().backward()
    file = tflite_scores(twin.content(), twin.names, list(x.numpy())).reshape(scores.shape)
    assert np.array_equal(scores.detach().numpy(), file)
    assert all(p.grad is not None for p in twin.model.parameters())


class Windowed(torch.nn.Module):
    """Convolutions with dilation, padding and a residual connection, and a leaky ReLU, over the last five samples."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv1d(inputs, 6, 3), torch.nn.Conv1d(6, 6, 2, dilation=2, groups=6)
        self.head = torch.nn.Linear(6, classes)
        self.context = 5

    def forward(self, x: Tensor) -> Tensor:
        y = torch.nn.functional.leaky_relu(self.first(torch.nn.functional.pad(x.transpose(1, 2), (2, 0))), 0.2)
        y = y + torch.relu(self.second(torch.nn.functional.pad(y, (2, 0))))
        return self.head(y.transpose(1, 2))


def _trains_with_the_file_s_integers(twin: IntegerTwin, x: torch.Tensor, steps: int) -> None:
    """Scores equal those of the exported file, before and after training; the loss falls."""
    for _ in range(2):
        tracked = twin.network(x).detach().numpy()
        file = tflite_scores(twin.content(), twin.names, list(x.numpy())).reshape(tracked.shape)
        assert np.array_equal(tracked, file) and len(np.unique(file)) > 8
        losses = trained(twin, steps)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "widths",
    [WIDTHS["w8a8"], WIDTHS["w8a16"], WIDTHS["w4a8"], {"*": "w4a16", "depthwise_conv_2d": "w8a16"}],
    ids=["w8a8", "w8a16", "w4a8", "w4a16"],
)
def test_convolutions_of_the_user_train_with_their_integers(widths: dict[str, str]) -> None:
    torch.manual_seed(2)
    model = OwnLocaliser(ModelSettings(architecture=f"{__name__}:Windowed"), Windowed(INPUTS, CLASSES), INPUTS, CLASSES)
    twin, x = IntegerTwin(model, CALIBRATION, False, widths), readings(3, seed=1)
    _trains_with_the_file_s_integers(twin, x, 20)
    assert all(p.grad is not None for p in twin.model.parameters())
    round_adaptively(twin, readings(6, seed=7), torch.Generator().manual_seed(1), RoundingSettings(iterations=20))
    real = {name: value.detach().numpy() for name, value in twin.float_step.constants().items()}
    for name, values in twin.snapped().items():
        assert np.allclose(values, real[name], rtol=2e-6, atol=1e-9), name


def test_hidden_states_of_a_class_of_the_user_are_those_before_its_head() -> None:
    torch.manual_seed(2)
    inner = Windowed(INPUTS, CLASSES)
    model = OwnLocaliser(ModelSettings(architecture=f"{__name__}:Windowed"), inner, INPUTS, CLASSES)
    twin, x = IntegerTwin(model, CALIBRATION, False, WIDTHS["w8a16"]), readings(3, seed=1)
    seen = watch(twin)
    scores = twin.network(x)
    (state,) = seen.states
    assert state.shape == (3, STEPS, 6) and state.requires_grad
    torch.testing.assert_close(inner.head(state), scores, atol=0.01, rtol=0.01)


class Pooled(torch.nn.Module):
    """Pools, means, and activations with kernels of their own, over a window of the last six samples."""

    state_names = ("window",)

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.first = torch.nn.Conv1d(inputs, 8, 3)
        self.norm, self.head = torch.nn.LayerNorm(8), torch.nn.Linear(16, classes)
        self.inputs = inputs

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        return (torch.zeros(batch, 5 * self.inputs),)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        window = torch.cat([state[0], x], dim=1)
        y = torch.nn.functional.hardswish(self.first(window.reshape(len(x), 6, self.inputs).transpose(1, 2)))
        most = torch.nn.functional.max_pool1d(y, 2, 1).mean(2)
        mean = torch.nn.functional.avg_pool1d(y, 2, 1).amax(2)
        both = torch.cat([torch.nn.functional.relu6(self.norm(most)), mean], dim=-1)
        return self.head(both), (window[:, self.inputs :],)

    def forward(self, x: Tensor) -> Tensor:
        state, scores = self.initial_state(len(x)), []
        for sample in x.unbind(1):
            one, state = self.step(sample, state)
            scores.append(one)
        return torch.stack(scores, dim=1)


@pytest.mark.parametrize("widths", [WIDTHS["w8a8"], WIDTHS["w4a8"]], ids=["w8a8", "w4a8"])
def test_pools_means_and_their_activations_train_with_their_integers(widths: dict[str, str]) -> None:
    torch.manual_seed(2)
    model = OwnLocaliser(ModelSettings(architecture=f"{__name__}:Pooled"), Pooled(INPUTS, CLASSES), INPUTS, CLASSES)
    twin, x = IntegerTwin(model, CALIBRATION, False, widths), readings(3, seed=1)
    kinds = {op.kind for op in twin._execution.graph.operators}
    assert kinds >= {"HARD_SWISH", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN"}
    _trains_with_the_file_s_integers(twin, x, 10)
    round_adaptively(twin, readings(6, seed=7), torch.Generator().manual_seed(1), RoundingSettings(iterations=20))


@pytest.mark.parametrize(
    ("kind", "output"),
    [("ELU", (0.02, -77)), ("GELU", (0.015, -118)), ("HARD_SWISH", (0.015, -102)), ("RELU_0_TO_1", (1 / 255, -128)),
     ("RELU_N1_TO_1", (2 / 255, 0)), ("LOG_SOFTMAX", (1 / 16, 127)), ("L2_NORMALIZATION", (1 / 128, 0))],
)  # fmt: skip
def test_what_gradients_come_from_is_what_the_integers_stand_for(kind: str, output: tuple[float, int]) -> None:
    tensors = (
        GraphTensor("x", (1, 16), "int8", Quantisation((0.025,), (5,))),
        GraphTensor("y", (1, 16), "int8", Quantisation((output[0],), (output[1],))),
    )
    op = Operator(kind, (0,), (1,), {"approximate": False, "activation": 0})
    execution = Execution(Graph("g", tensors, (op,), (0,), (1,)))
    whole = (37 * torch.arange(256) % 256 - 128).to(torch.int8).reshape(16, 1, 16)
    given = Value(real_of(tensors[0], whole).requires_grad_(), whole)
    found = execution.run(given, 1, {})[1]
    assert found.whole is not None and found.real is not None
    near = surrogate(execution.graph, op, [given.real])
    assert (real_of(tensors[1], found.whole) - near).abs().max() < 2 * output[0]
    assert found.whole.unique().numel() > 30


def test_an_operator_without_a_gradient_is_named() -> None:
    tensors = tuple(GraphTensor(name, (1, 4), "int8", Quantisation((0.1,), (0,))) for name in "xy")
    graph = Graph("g", tensors, (Operator("ARG_MAX", (0,), (1,)),), (0,), (1,))
    with pytest.raises(ExportError, match="ARG_MAX: no training with integers"):
        Execution(graph)
