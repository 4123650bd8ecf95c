"""MDCSA, LSTM and GRU localisers: published sizes, fast forms against slow ones, window form against steps."""

import math

import pytest
import torch
from pydantic import ValidationError

from tinyloc.training.models.attention import attend_last, attend_last_reference
from tinyloc.training.models.build import build_model
from tinyloc.training.models.count import live_parameters, published_parameters
from tinyloc.training.models.mdcsa import sinusoids
from tinyloc.training.models.settings import ModelSettings

PUBLISHED = [  # P, C, H, L, parameters: arXiv 2412.09289, tables 4 to 8
    (8, 4, 16, 1, 10588),
    (8, 4, 8, 1, 2812),
    (8, 4, 256, 1, 2565148),
    (11, 11, 16, 1, 10874),
    (11, 11, 8, 1, 3018),
    (11, 11, 256, 1, 2567834),
    (11, 9, 16, 1, 10796),
    (11, 9, 8, 1, 2956),
    (11, 10, 16, 1, 10834),
    (11, 10, 8, 1, 2986),
    (520, 59, 16, 1, 23290),
    (520, 59, 8, 1, 10978),
    (520, 59, 256, 3, 9802058),
]


def model_of(inputs=11, classes=7, seed=1, **settings):
    torch.manual_seed(seed)
    return build_model(ModelSettings(**settings), inputs, classes).eval()


def mdcsa(inputs=11, classes=7, **settings):
    return model_of(inputs, classes, architecture="mdcsa", **{"hidden": 8, **settings})


@pytest.mark.parametrize("attention", ["streaming", "window"])
@pytest.mark.parametrize(("inputs", "classes", "hidden", "layers", "parameters"), PUBLISHED)
def test_mdcsa_counts_are_the_published_ones(inputs, classes, hidden, layers, parameters, attention):
    settings = ModelSettings(architecture="mdcsa", hidden=hidden, layers=layers, crf=True, attention=attention)
    with torch.device("meta"):
        model = build_model(settings, inputs, classes)
    assert published_parameters(model) == parameters
    second_modality = layers * (4 * hidden**2 + 4 * hidden) + 2 * hidden**2 * sum((1,) if layers == 1 else (1, 4, 7))
    biases = layers * 20 if attention == "streaming" else 0
    assert live_parameters(model, steps=20) == parameters - second_modality + biases
    assert live_parameters(model, steps=1) == live_parameters(model, steps=20) - classes**2


def test_no_dead_branch_is_in_the_model():
    """Every parameter but the CRF's changes the scores."""
    model = mdcsa(layers=3, context=8)
    model.network(torch.rand(1, 20, 11)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max()] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "mdcsa", "hidden": 16},
        {"architecture": "mdcsa", "hidden": 6, "layers": 3, "context": 9},
        {"architecture": "mdcsa", "hidden": 5, "context": 2},
        {"architecture": "mdcsa", "hidden": 8, "attention": "window", "context": 6},
        {"architecture": "mdcsa", "hidden": 8, "attention": "window", "context": 7, "layers": 3},
        {"architecture": "lstm", "hidden": 12, "standardise": True},
        {"architecture": "lstm", "hidden": 5, "layers": 2, "dense": 0},
        {"architecture": "gru", "hidden": 12},
        {"architecture": "gru", "hidden": 5, "layers": 2, "dense": 9, "standardise": True},
    ],
)
def test_a_recording_equals_its_steps(settings):
    model = model_of(**settings)
    x = torch.rand(2, 45, 11)
    x[:, :, 3] = 0.0
    x[:, 20] = 0.0  # a silent scan
    for recording in x:
        torch.testing.assert_close(model.stream(recording), model.scores(recording), atol=1e-5, rtol=1e-5)
    assert [s.shape[0] for s in model.initial_state(3)] == [3] * len(model.state_names)


def test_the_network_of_a_stream_is_its_scores():
    model = mdcsa()
    x = torch.rand(3, 30, 11)
    for row, recording in zip(model.network(x), x, strict=True):
        torch.testing.assert_close(row, model.scores(recording))


@pytest.mark.parametrize(("samples", "rows", "context"), [(1, 1, 4), (9, 1, 4), (9, 3, 4), (3, 3, 8)])
def test_attention_over_a_stream_equals_the_plain_loop_in_value_and_gradient(samples, rows, context):
    torch.manual_seed(2)
    slow = [torch.randn(2, samples, rows, 5, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    fast = [x.detach().clone().requires_grad_() for x in slow]
    bias = torch.randn(context, dtype=torch.float64) if rows == 1 else None
    expected, found = attend_last_reference(*slow, context, bias), attend_last(*fast, context, bias)
    torch.testing.assert_close(found, expected)
    for out in (expected, found):
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape)).sum().backward()
    for a, b in zip(slow, fast, strict=True):
        torch.testing.assert_close(b.grad, a.grad)


def test_streaming_sees_the_last_samples_only_and_never_the_future():
    """Two attentions of T samples and a join of three: what lies further back than 2 (T - 1) + 2 has no influence."""
    model = mdcsa(context=5)
    x = torch.rand(30, 11)
    scores = model.scores(x)
    reach = 2 * 4 + 2
    changed = x.clone()
    changed[10] += 1.0
    differs = (model.scores(changed) - scores).abs().amax(dim=1) > 1e-7
    assert differs.nonzero()[:, 0].tolist() == list(range(10, 10 + reach + 1))


def test_a_published_window_sees_all_of_itself_and_nothing_else():
    model = mdcsa(context=5, attention="window")
    x = torch.rand(1, 15, 11)
    changed = x.clone()
    changed[0, 7] += 1.0
    differs = (model.network(changed) - model.network(x)).abs().amax(dim=2) > 1e-7
    assert differs[0].nonzero()[:, 0].tolist() == [5, 6, 7, 8, 9]


def published_window_reference(model, x):
    """The published window form with one block, x (T, P), with loops wherever the equations sum over samples."""
    block, hidden, steps = model.blocks[0], model.hidden, len(x)
    layer_norm = lambda v, norm: (v - v.mean()) / (v.var(correction=0) + norm.eps).sqrt() * norm.weight + norm.bias  # noqa: E731
    e = []
    for t in range(steps):
        position = torch.tensor([
            math.sin(t * 10000 ** (-i / hidden)) if i % 2 == 0 else math.cos(t * 10000 ** (-(i - 1) / hidden))
            for i in range(hidden)
        ])  # fmt: skip
        e.append((model.embed.weight @ x[t] + model.embed.bias) * math.sqrt(hidden) + position)

    def attention(q, keys, values):
        weights = torch.tensor([math.exp(float(q @ k) / math.sqrt(hidden)) for k in keys])
        return sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True))

    keys = [torch.tanh(block.key.weight[:, :, 0] @ v + block.key.bias) for v in e]
    z = []
    for t in range(steps):
        query = torch.tanh(block.query.weight[:, :, 0] @ e[t] + block.query.bias)
        u = layer_norm(attention(query, keys, e) + e[t], block.norm)
        gate = block.residual
        wide = gate.widen(u)
        wide = torch.where(wide > 0, wide, wide.exp() - 1)
        a, b = gate.gate(gate.mix(wide)).chunk(2)
        z.append(layer_norm(a * torch.sigmoid(b) + u, gate.norm))
    zero = torch.zeros(hidden)
    attended = [zero, *(attention(row, z, z) for row in z), zero]
    rows = []
    for t in range(steps):
        joined = model.join.bias + sum(model.join.weight[:, :, k] @ attended[t + k] for k in range(3))
        rows.append(model.head(layer_norm(joined, model.norm)))
    return torch.stack(rows)


@torch.no_grad()
def test_the_published_window_form_is_its_equations():
    model = mdcsa(attention="window", context=7)
    x = torch.rand(7, 11)
    torch.testing.assert_close(model.network(x[None])[0], published_window_reference(model, x), atol=1e-5, rtol=1e-5)


def test_the_bias_by_distance_starts_as_the_positions_product():
    bias = mdcsa(hidden=16, context=20).blocks[0].bias
    positions = sinusoids(200, 16)
    for distance in (0, 1, 19):
        for t in (0, 100):  # of two positions only their distance matters
            product = positions[t] @ positions[t + distance] / 4
            torch.testing.assert_close(bias[19 - distance], product, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["lstm", "gru", "mdcsa"])
def test_a_sequence_localiser_learns_what_needs_memory(architecture):
    """The class is the access point heard first in the window."""
    torch.manual_seed(0)
    model = build_model(ModelSettings(architecture=architecture, hidden=12, context=9), 3, 3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-2)
    labels = torch.randint(0, 3, (32,))
    x = 0.1 * torch.rand(32, 8, 3)
    x[torch.arange(32), 0, labels] = 1.0
    every = labels[:, None].expand(-1, 8)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(model.network(x), every, torch.ones(32, 8, dtype=torch.bool)).backward()
        optimiser.step()
    assert (model.network(x)[:, -1].argmax(-1) == labels).float().mean() > 0.95


def test_standardised_readings_forget_gain_and_offset():
    model = model_of(architecture="mlp", hidden=[9], standardise=True)
    x = torch.rand(4, 11)
    scores = model.network(x)
    torch.testing.assert_close(model.network(3.0 * x + 0.5), scores, atol=2e-2, rtol=2e-2)
    assert bool(torch.isfinite(model.network(torch.zeros(1, 11))).all())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "mdcsa", "hidden": 8, "layers": 2}, "1 block"),
        ({"architecture": "mdcsa", "hidden": 8, "layers": 3, "context": 6}, "at least 7"),
        ({"architecture": "mdcsa", "hidden": [8]}, "an mdcsa model has one hidden size"),
        ({"architecture": "gru", "hidden": 8, "dropout": [0.1]}, "a gru model has one rate"),
        ({"architecture": "mamba", "hidden": 8, "standardise": True}, "mlp, lstm, gru"),
        ({"architecture": "mlp", "hidden": [8], "dense": 4}, "only lstm and gru"),
        ({"architecture": "lstm", "hidden": 8, "dense": -1}, "dense"),
        ({"architecture": "mdcsa", "hidden": 8, "attention": "sliding"}, "attention"),
    ],
)
def test_settings_that_make_no_sequence_model_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ModelSettings(**settings)
