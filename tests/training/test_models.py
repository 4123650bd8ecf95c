"""Localisers: published sizes, window form against step form, scan forms, CRF."""

import itertools

import pytest
import torch
from pydantic import ValidationError

from tinyloc.training.models.build import build_model
from tinyloc.training.models.count import live_parameters, published_parameters
from tinyloc.training.models.crf import CRF, first_maximum
from tinyloc.training.models.scan import selective_scan, selective_scan_reference
from tinyloc.training.models.settings import ModelSettings

PUBLISHED = [  # data set, P, C, H, L, parameters: arXiv 2412.09289, tables 4 to 8
    ("house A", 8, 4, 32, 1, 10392),
    ("house A", 8, 4, 8, 1, 1432),
    ("house B", 11, 11, 16, 2, 7263),
    ("house B", 11, 11, 8, 1, 1631),
    ("house B", 11, 11, 32, 2, 20783),
    ("house C", 11, 9, 32, 1, 10723),
    ("house C", 11, 9, 8, 1, 1571),
    ("house D", 11, 10, 32, 1, 10776),
    ("house D", 11, 10, 16, 1, 3848),
    ("UJIIndoorLoc", 520, 59, 32, 1, 32111),
    ("UJIIndoorLoc", 520, 59, 8, 2, 10847),
    ("UJIIndoorLoc", 520, 59, 8, 1, 9543),
    ("UJIIndoorLoc", 520, 59, 4, 1, 6475),
    ("UJIIndoorLoc", 520, 59, 128, 1, 194447),
    ("UJIIndoorLoc", 520, 59, 2, 1, 5013),  # published as 5020: the one count that no reading of the architecture gives
]


def mamba(hidden=8, layers=1, crf=True, inputs=8, classes=4, **more):
    torch.manual_seed(3)
    settings = ModelSettings(architecture="mamba", hidden=hidden, layers=layers, crf=crf, **more)
    return build_model(settings, inputs, classes).eval()


@pytest.mark.parametrize(("data", "inputs", "classes", "hidden", "layers", "parameters"), PUBLISHED)
def test_parameter_counts_are_the_published_ones(data, inputs, classes, hidden, layers, parameters):
    assert published_parameters(mamba(hidden, layers, True, inputs, classes)) == parameters


def test_transitions_are_dead_weights_when_a_window_is_one_sample():
    model = mamba(classes=5)
    assert live_parameters(model, steps=20) == published_parameters(model)
    assert live_parameters(model, steps=1) == published_parameters(model) - 25
    assert live_parameters(mamba(crf=False), steps=1) == published_parameters(mamba(crf=False))


def test_mlp_counts_weights_and_biases():
    model = build_model(ModelSettings(architecture="mlp", hidden=[32, 16]), 520, 59)
    assert published_parameters(model) == 520 * 32 + 32 + 32 * 16 + 16 + 16 * 59 + 59


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "mamba", "hidden": 8, "layers": 1},
        {"architecture": "mamba", "hidden": 20, "layers": 2, "conv_width": 3, "state_size": 5},
        {"architecture": "mlp", "hidden": [16, 8]},
    ],
)
def test_window_form_equals_step_form(settings):
    torch.manual_seed(1)
    model = build_model(ModelSettings(**settings), 11, 7).eval()
    x = torch.rand(3, 40, 11)
    windows = model.network(x)
    for emissions, recording in zip(windows, x, strict=True):
        torch.testing.assert_close(model.stream(recording), emissions, atol=1e-5, rtol=1e-5)


def test_initial_state_matches_its_names_and_is_zero():
    model = mamba(hidden=8, layers=2)
    state = model.initial_state(3)
    assert model.state_names == ("conv_0", "scan_0", "conv_1", "scan_1")
    assert [tuple(s.shape) for s in state] == [(3, 3, 16), (3, 16, 16)] * 2
    assert all(float(s.abs().max()) == 0 for s in state)


def scan_arguments(batch=2, steps=17, channels=6, states=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)  # noqa: E731
    return [
        draw(batch, steps, channels),
        draw(batch, steps, channels).exp(),
        -draw(channels, states).exp(),
        draw(batch, steps, states),
        draw(batch, steps, states),
        draw(channels),
    ]


@pytest.mark.parametrize("steps", [1, 2, 17])
def test_fast_scan_equals_the_plain_loop_in_value_and_gradient(steps):
    slow = [x.requires_grad_() for x in scan_arguments(steps=steps)]
    fast = [x.detach().clone().requires_grad_() for x in slow]
    expected, _ = selective_scan_reference(*slow)
    found = selective_scan(*fast)
    torch.testing.assert_close(found, expected)
    weight = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (expected * weight).sum().backward()
    (found * weight).sum().backward()
    for a, b in zip(slow, fast, strict=True):
        torch.testing.assert_close(b.grad, a.grad)


def test_a_mamba_localiser_learns_what_needs_memory():
    """The class is the access point heard first in the window: only the state can know it at the end."""
    torch.manual_seed(0)
    model = build_model(ModelSettings(architecture="mamba", hidden=6, state_size=8), 3, 3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-2)
    labels = torch.randint(0, 3, (32,))
    x = 0.1 * torch.rand(32, 8, 3)
    x[torch.arange(32), 0, labels] = 1.0
    every = labels[:, None].expand(-1, 8)
    for _ in range(40):
        optimiser.zero_grad()
        model.loss(model.network(x), every, torch.ones(32, 8, dtype=torch.bool)).backward()
        optimiser.step()
    accuracy = (model.network(x)[:, -1].argmax(-1) == labels).float().mean()
    assert accuracy > 0.95


def brute_force(crf, emissions):
    """All paths; the best score, and the best path under the tie rule (smallest index, last sample first)."""
    steps, classes = emissions.shape
    scored = []
    for path in itertools.product(range(classes), repeat=steps):
        score = crf.start[path[0]] + crf.end[path[-1]] + sum(emissions[t, c] for t, c in enumerate(path))
        score = score + sum(crf.transitions[i, j] for i, j in itertools.pairwise(path))
        scored.append((float(score), path))
    best = max(score for score, _ in scored)
    return min((path[::-1] for score, path in scored if score == best))[::-1]


@pytest.mark.parametrize("ties", [False, True])
def test_viterbi_finds_the_best_of_all_paths(ties):
    torch.manual_seed(4)
    crf = CRF(3)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randint(-2, 3, parameter.shape) if ties else torch.randn(parameter.shape))
        for _ in range(20):
            emissions = torch.randint(-2, 3, (5, 3)).float() if ties else torch.randn(5, 3)
            assert tuple(crf.decode(emissions[None])[0].tolist()) == brute_force(crf, emissions)


def test_viterbi_agrees_with_pytorch_crf():
    torch.manual_seed(2)
    crf, emissions = CRF(6), torch.randn(4, 12, 6)
    everything = torch.ones(4, 12, dtype=torch.bool)
    assert crf.decode(emissions).tolist() == crf.chain.decode(emissions, everything)


def test_first_maximum_is_the_first():
    assert first_maximum(torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), dim=1).tolist() == [1, 0]


def test_loss_ignores_what_the_mask_hides():
    model = mamba()
    emissions, labels = torch.randn(3, 6, 4), torch.randint(0, 4, (3, 6))
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[0, 4:] = False
    mask[2] = False
    loss = model.loss(emissions, labels, mask)
    emissions[0, 4:] = 50.0
    labels[0, 4:] = -1
    labels[2] = -1
    torch.testing.assert_close(model.loss(emissions, labels, mask), loss)
    torch.testing.assert_close(model.loss(emissions[:2], labels[:2], mask[:2]), loss)


def test_loss_without_any_label_says_so():
    with pytest.raises(ValueError, match="no window"):
        mamba().loss(torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "mamba", "hidden": [8, 8]}, "one hidden size"),
        ({"architecture": "mlp", "hidden": [32], "layers": 2}, "remove it"),
        ({"architecture": "mlp", "hidden": []}, "at least one layer"),
        ({"architecture": "mlp", "hidden": [32], "dropout": [0.1, 0.2]}, "2 rates for 1 hidden layer "),
        ({"architecture": "mlp", "hidden": [0]}, "at least 1"),
        ({"architecture": "mlp", "hidden": [8], "dropout": 1.0}, "below 1"),
        ({"architecture": "tcn", "hidden": 8}, "architecture"),
        ({"architecture": "mlp", "hidden": [8], "widht": 3}, "widht"),
    ],
)
def test_settings_that_make_no_model_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ModelSettings(**settings)
