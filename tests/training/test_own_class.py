"""A class of the user's as the architecture of a recipe: its forms agree, it learns, teaches and is deployed."""

from pathlib import Path

import pytest
import torch

from tests.tiny_recipe import tiny_recipe
from tinyloc import Recipe
from tinyloc.errors import UserError
from tinyloc.training.distil.hidden import check_watched, watch
from tinyloc.training.errors import RecipeError, TrainingError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.own import check_causal
from tinyloc.training.models.own_class import OwnClassError
from tinyloc.training.models.settings import ModelSettings

PLACE = "tests.own_architectures"


def settings(name: str, **arguments: int) -> ModelSettings:
    return ModelSettings(architecture=f"{PLACE}:{name}", arguments=arguments)


@pytest.mark.parametrize("kind", ["Causal", "Stepped"])
def test_window_and_step_agree_from_the_first_sample_on(kind: str) -> None:
    torch.manual_seed(3)
    model = build_model(settings(kind, hidden=4), 7, 3)
    check_causal(model)
    x = torch.rand(23, 7)
    with torch.no_grad():
        torch.testing.assert_close(model.network(x[None])[0], model.stream(x), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model.first_scores(x), model.scores(x, apart=True), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("LooksAhead", "depend on later samples: pad before the first sample only"),
        ("ForgetsItsContext", "depend on more than context = 2 samples"),
        ("LastRowOnly", r"makes \[1, 3\] of readings \[1, 13, 7\]; scores \[1, 13, 3\] are needed"),
    ],
)
def test_a_network_that_is_not_causal_is_refused_before_it_trains(kind: str, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        check_causal(build_model(settings(kind), 7, 3))


def test_names_and_arguments_are_checked() -> None:
    with pytest.raises(OwnClassError, match=r"takes \(inputs: int, classes: int, hidden: int = 6, dilation: int = 2\)"):
        build_model(settings("Causal", width=4), 7, 3)
    with pytest.raises(OwnClassError, match=r"no class Gone in tests\.own_architectures; its classes are Causal"):
        build_model(settings("Gone"), 7, 3)
    for changes, told in (
        (
            'model = { architecture = "mamba2", hidden = 3 }',
            "'mamba2' must be mamba, mlp, mdcsa, lstm, gru",
        ),
        (f'model = {{ architecture = "{PLACE}:Causal", hidden = 3, crf = true }}', "sizes of Causal belong into"),
        ("model.arguments = { a = 1 }", "arguments are those of a class of yours"),
    ):
        with pytest.raises(RecipeError, match=told):
            tiny_recipe(changes)


CHANGES = """
name = "own"
training.epochs = 4
[model]
architecture = "tests.own_architectures:Causal"
arguments = { hidden = 4 }
hidden = []
[export]
arithmetics = ["int8"]
[[distillation.teachers]]
epochs = 4
model = { architecture = "tests.own_architectures:Causal", arguments = { hidden = 9, dilation = 1 }, crf = true }
"""


def test_a_class_is_taught_by_another_and_deployed_row_by_row(tmp_path: Path) -> None:
    recipe = Recipe(tiny_recipe(CHANGES))
    stages: list[str] = []
    run = recipe.train(tmp_path / "own", progress=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["teacher 1", "model"]
    bundle = run.export()
    assert bundle.about.architecture == "Causal" and bundle.about.models[0].states[0].name == "window"
    from tinyloc.codegen.compile import compile_bundle

    manifest = compile_bundle(bundle.directory, tmp_path / "generated")
    assert any("one row per sample" in line for line in manifest.decisions)
    with pytest.raises(UserError):
        recipe.changed(model={"arguments": {"width": 3}}).train(tmp_path / "bad")


def test_a_class_with_a_step_is_trained_with_integers(tmp_path: Path) -> None:
    changes = CHANGES.replace('Causal"\narguments', 'Stepped"\narguments')
    integers = "[compression.quantisation_aware]\nepochs = 4\n"
    recipe = Recipe(tiny_recipe(changes.partition("[[distillation")[0] + integers))
    stages: list[str] = []
    run = recipe.train(tmp_path / "own", progress=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["model", "quantisation aware"]
    assert run.trained.model.state_names == ("h",) and run.parameters > 0


def test_hidden_states_teach_from_class_to_class(tmp_path: Path) -> None:
    weights = "[distillation]\nhidden_weight = 0.5\nrelation_weight = 0.1\n[[distillation.teachers]]"
    changes = CHANGES.replace("[[distillation.teachers]]", weights).replace("epochs = 4", "epochs = 1")
    recipe = Recipe(tiny_recipe(changes + "[compression.quantisation_aware]\nepochs = 1\n"))
    stages: list[str] = []
    run = recipe.train(tmp_path / "own", progress=lambda stage, done, total: stages.append(stage))
    assert run.parameters > 0 and "quantisation aware" in stages


def test_a_head_that_is_no_matrix_is_named_before_training_with_integers() -> None:
    model = build_model(settings("Causal"), 7, 3)
    model.inner.head = torch.nn.Sequential(model.inner.head)
    check_watched(model)
    with pytest.raises(TrainingError, match=r"to be one nn\.Linear; it is Sequential"):
        check_watched(model, integers=True)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("Headless", "call that layer self.head"), ("Stepped", r"takes all samples at once, \[2, 5, H\] here; self.head")],
)
def test_a_class_whose_hidden_states_cannot_be_seen_is_named_before_training(kind: str, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        check_watched(build_model(settings(kind), 7, 3))


def test_hidden_states_are_those_of_the_samples_asked_for() -> None:
    model = build_model(settings("Causal", hidden=4), 7, 3)
    seen, x = watch(model), torch.rand(2, 9, 7)
    scores = model.network(x)
    (state,) = seen.states
    assert state.shape == (2, 9, 4)
    torch.testing.assert_close(model.get_submodule("inner.head")(state), scores)
