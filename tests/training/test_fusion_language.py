"""The language model as teacher: prompts, answers, distributions; a tiny LLaMA of random weights, made here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.rules import CHANNELS, make_rule
from tinyloc.training.fusion.filters.settings import HISTORY, DistilSettings, FilterSettings
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR
from tinyloc.training.fusion.students.distil import train_student
from tinyloc.training.fusion.students.language import (
    Candidate,
    LanguageTeacher,
    answer,
    load_language_teacher,
    parse,
    prompt,
    soft,
)
from tinyloc.training.fusion.students.rollout import Rollout, roll_out
from tinyloc.training.fusion.students.scaling import OUTPUTS, Frame

transformers = pytest.importorskip("transformers")
CHARACTERS = "\n +-.,:=()/0123456789abcdefghijklmnopqrstuvwxyzAOS"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A LLaMA of a few thousand random weights and a tokenizer of single characters, as files."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    place = tmp_path_factory.mktemp("llama")
    words = {character: index for index, character in enumerate(CHARACTERS)} | {"?": len(CHARACTERS), "</s>": 51}
    plain = Tokenizer(models.WordLevel(words, unk_token="?"))
    plain.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    plain.decoder = decoders.Fuse()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="?", eos_token="</s>").save_pretrained(place)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=52, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=2048, eos_token_id=51, bos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def rollout() -> Rollout:
    batch = prepare([simulate(CORRIDOR, seed) for seed in range(2)])
    return roll_out(batch, FilterSettings(), make_rule(FilterSettings(), None, 2))


def history(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (HISTORY, CHANNELS))


def test_a_prompt_tells_every_epoch_and_hides_the_place() -> None:
    text = prompt(history())
    assert text.count("\nt-") == HISTORY and "t-0: x=+0.00 y=+0.00" in text and text.endswith("\nnext:")
    moved = history()
    moved[:, :2] += 40.0
    assert prompt(moved) == text
    assert set(text) <= set(CHARACTERS + "Tyf")


def test_the_trend_tells_a_turn() -> None:
    straight, left = np.zeros((HISTORY, CHANNELS)), np.zeros((HISTORY, CHANNELS))
    straight[:, 0] = left[:, 0] = np.arange(HISTORY) * 0.2
    left[5:, 0], left[5:, 1] = left[5, 0], np.arange(5) * 0.2
    assert "turn=+0\n" in prompt(straight)
    turn = float(prompt(left).split("turn=")[1].split("\n")[0])
    assert 45 < turn <= 90
    assert "turn=+0\n" in prompt(np.zeros((HISTORY, CHANNELS)))


@given(st.floats(-7.9, 7.9), st.floats(-7.9, 7.9), st.floats(0.0, 90.0))
def test_the_right_answer_is_read_back(x: float, y: float, error: float) -> None:
    read = parse("well, " + answer((x, y), error) + " I think")
    assert read is not None
    assert read == (pytest.approx(x, abs=5e-3), pytest.approx(y, abs=5e-3), pytest.approx(np.sqrt(error), abs=0.05))


@given(st.text(max_size=60))
def test_any_text_is_read_without_failing(text: str) -> None:
    read = parse(text)
    assert read is None or np.isfinite(read).all()


@pytest.mark.parametrize("text", ["", "dx=1.0 dy=2.0", "dx=99.0 dy=0.0 off=1.0", "dx=nan dy=0.0 off=1.0", "x=1 y=2"])
def test_what_is_no_position_is_none(text: str) -> None:
    assert parse(text) is None


def test_candidates_become_a_gaussian() -> None:
    sure = soft([Candidate(" dx=+0.20 dy=-0.10 off=0.5\n", -0.1)])
    assert sure[:2] == pytest.approx([0.2, -0.1]) and sure[2] == -6.0
    assert sure[3] == pytest.approx(np.log(0.25 + 4e-4))
    torn = soft([Candidate("dx=1.0 dy=0.0 off=0.5", -1.0), Candidate("dx=0.0 dy=0.0 off=0.5", -1.0),
                 Candidate("nothing", -0.1)])  # fmt: skip
    assert torn[:2] == pytest.approx([0.5, 0.0]) and torn[2] == pytest.approx(np.log(0.125 + 4e-4))
    leaning = soft([Candidate("dx=1.0 dy=0.0 off=0.5", np.log(0.3)), Candidate("dx=0.0 dy=0.0 off=0.5", np.log(0.1))])
    assert leaning[0] == pytest.approx(0.75)
    assert np.isnan(soft([Candidate("no", 0.0)])).all()


def test_the_beams_are_the_most_probable_answers(folder: Path) -> None:
    """With as many beams as there are tokens, two tokens long, beam search is exhaustive."""
    teacher = load_language_teacher(folder, beams=52, top_k=52, longest=2)
    text = "next:"
    start = teacher.tokenizer.encode(text)
    with torch.no_grad():
        one = torch.log_softmax(teacher.model(input_ids=torch.tensor([start])).logits[0, -1], -1)
        pairs = []
        for token, log in enumerate(one.tolist()):
            following = teacher.model(input_ids=torch.tensor([[*start, token]])).logits[0, -1]
            pairs += [log + value for value in torch.log_softmax(following, -1).tolist()]
    found = [c.log_probability for c in teacher.candidates(text) if len(c.text) == 2]
    assert found[0] == pytest.approx(max(pairs), abs=1e-4)
    assert found == sorted(found, reverse=True)


def test_a_random_model_teaches_nothing_and_says_so(folder: Path, rollout: Rollout) -> None:
    few = Rollout(*(getattr(rollout, name)[:1, :14] for name in Rollout.__dataclass_fields__))
    with pytest.raises(FusionError, match=r"gave no position to \d+ of \d+ histories"):
        load_language_teacher(folder, beams=2, top_k=2, longest=8).teach(few)


def test_a_tuned_model_teaches_a_student(folder: Path, rollout: Rollout) -> None:
    """Fine-tuned on two histories until it knows their answers, its lessons are those answers, and a student learns."""
    few = Rollout(*(getattr(rollout, name)[:1, :12].copy() for name in Rollout.__dataclass_fields__))
    few.usable[:] = False
    few.usable[0, 10:12] = True
    teacher = load_language_teacher(folder, beams=3, top_k=3)
    moves, errors = [(0.31, -0.12), (-0.25, 0.4)], [0.25, 1.0]
    optimiser = torch.optim.Adam(teacher.model.parameters(), lr=1e-2)
    rows = few.history[few.usable].astype(float)
    first = 0.0
    for _ in range(120):
        loss = sum((teacher.loss(row, move, error) for row, move, error in zip(rows, moves, errors, strict=True)),
                   torch.zeros(()))  # fmt: skip
        first = first or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    assert loss.item() < 0.1 * first
    lessons = teacher.teach(few)
    assert lessons.shape == (1, 12, OUTPUTS)
    assert np.abs(lessons[0, 10:12, :2] - np.array(moves)).max() < 0.05
    settings = DistilSettings(steps=5, batch=4)
    assert isinstance(train_student([few], [lessons], Frame((0.0, 0.0), 1.0), settings, 0), torch.nn.Module)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"no config\.json"):
        load_language_teacher(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FusionError, match="not a causal language model"):
        load_language_teacher(tmp_path)


def test_the_same_prompt_gets_the_same_answers(folder: Path) -> None:
    teacher: LanguageTeacher = load_language_teacher(folder, longest=6)
    assert teacher.candidates("next:") == teacher.candidates("next:")
