"""Teachers by one interface, judged on windows; what a language model says; the published loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.simulation.simulate import Walk
from tinyloc.training.fusion.students.forecasters import ConstantVelocity, Convolutional, Language, Teacher
from tinyloc.training.fusion.students.spoken import (
    Answers,
    LanguageModel,
    ask_all,
    file_hash,
    question,
    read,
    shots,
    trend,
)
from tinyloc.training.fusion.students.windows import Windows, ate, cut
from tinyloc.training.fusion.study.forecasts import (
    ForecastSettings,
    load_settings,
    our_loss,
    published_loss,
    train_student,
)


def straight(count: int) -> Windows:
    generator = np.random.default_rng(0)
    speed = generator.normal(0, 1, (count, 1, 2))
    path = speed * np.arange(11)[None, :, None] + generator.normal(0, 5, (count, 1, 2))
    return Windows(path[:, :10], path[:, 10], np.arange(count) % 4)


def test_windows_are_cut_from_known_positions() -> None:
    time = np.arange(0, 30, 0.2)
    truth = np.stack([time, 2 * time], axis=1)
    truth[-10:] = np.nan
    walk = Walk("w", np.zeros((3, 2)), time, np.zeros((len(time), 3)), truth)
    windows = cut([walk, replace(walk, name="v")], 50)
    assert len(windows) == 50 and set(windows.walk.tolist()) == {0, 1}
    assert np.allclose(windows.next_m - windows.seen_m[:, -1], [1.0, 2.0])
    assert ate(windows.seen_m[:, -1], windows) == pytest.approx(5**0.5)
    assert np.isnan(ate(np.full((50, 2), np.nan), windows))


def test_teachers_have_one_interface() -> None:
    windows = straight(200)
    still = ate(windows.seen_m[:, -1], windows)
    for settings in (ConstantVelocity(), Convolutional(hidden=16, steps=120)):
        said = Teacher(settings, windows, 0).forecast(windows)
        assert ate(said.next_m, windows) < 0.5 * still and said.outcomes["said"] == 200
    assert np.isfinite(Teacher(ConstantVelocity(), windows, 0).forecast(windows, True).deviation_m).all()


def test_prompts_say_positions_and_trend() -> None:
    seen = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    text = question(seen + 100.0)
    assert "(0.00, 0.00)" in text and "(9.00, 0.00)" in text and "moving right, straight on, at the same pace" in text
    assert shots(Windows(seen[None], np.array([[10.0, 0.5]]), np.zeros(1, np.int64))).endswith(
        "Next: (10.00, 0.50)\n\n"
    )
    turn = seen.copy()
    turn[-1] = [8.0, 1.5]
    assert trend(turn) == "moving up, turning left, faster"
    assert trend(np.zeros((10, 2))) == "standing still"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("10.02, 0.10)", "said"),
        (" 10.0 , -0.1", "said"),
        ("I cannot say where", "mute"),
        ("nan, nan)", "mute"),
        ("", "mute"),
        ("900.0, 3.0)", "far"),
        ("10.0 metres", "mute"),
    ],
)
def test_answers_are_read_or_counted(answer: str, outcome: str) -> None:
    seen = np.stack([np.arange(10.0), np.zeros(10)], axis=1) + 50.0
    place, found = read(answer, seen)
    assert found == outcome
    assert np.isfinite(place).all() == (outcome == "said")
    if outcome == "said":
        assert np.linalg.norm(place - [60.0, 50.0]) < 0.2


def test_answers_are_kept_and_asked_once(tmp_path: Path) -> None:
    windows, asked = straight(6), []

    def ask(beginning: str, rest: str) -> str:
        asked.append(rest)
        return "0.00, 0.00)" if len(asked) % 2 else "who knows"

    answers = Answers(tmp_path / "answers.jsonl", "abc")
    first = ask_all(windows.pick(np.arange(3)), "task", ask, answers)
    with answers.path.open("a") as file:
        file.write('{"model": "abc", "prom')  # a run that was killed
    again = ask_all(windows, "task", ask, answers)
    assert len(asked) == 6 and sum(again.outcomes.values()) == 6
    assert np.array_equal(again.positions_m[:3], first.positions_m, equal_nan=True)
    assert ask_all(windows, "task", ask, answers).outcomes == again.outcomes and len(asked) == 6
    other = ask_all(windows, "task", ask, Answers(answers.path, "another model"), minutes=0.0)
    assert other.outcomes["unasked"] == 6 and len(asked) == 6


def test_models_that_are_none_are_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(FusionError, match="no such file"):
        LanguageModel(tmp_path / "none.gguf")
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    with pytest.raises(FusionError, match="not a causal language model"):
        LanguageModel(tmp_path)
    (tmp_path / "a.gguf").write_bytes(b"GGUF nothing")
    assert len(file_hash(tmp_path / "a.gguf")) == 64 != file_hash(tmp_path)


def test_the_published_loss_is_least_at_the_teacher() -> None:
    said, deviation = torch.tensor([[0.5, -0.2]]), torch.tensor([0.3])
    best = torch.tensor([[0.5, -0.2, 2 * float(np.log(0.3))]])
    least = published_loss(best, said, deviation, best).item()
    assert least == pytest.approx(0.0, abs=1e-5)
    for column, change in ((0, 0.2), (1, -0.3), (2, 1.5), (2, -1.5)):
        other = best.clone()
        other[0, column] += change
        assert published_loss(other, said, deviation, other).item() > least + 1e-3
        known = torch.zeros(1, dtype=torch.bool)
        ours = [our_loss(out, said, deviation, out, said, known).item() for out in (best, other)]
        assert ours[1] > ours[0] + 1e-3


def test_a_student_learns_from_teacher_or_truth() -> None:
    windows = straight(300)
    said = Teacher(ConstantVelocity(), windows, 0).forecast(windows, True)
    said = replace(said, deviation_m=np.full(300, 0.1))
    still = ate(windows.seen_m[:, -1], windows)
    for lesson, kind in ((None, ""), (said, "published"), (said, "ours")):
        network = train_student(windows, lesson, kind, 2, 150, 0)
        with torch.no_grad():
            from tinyloc.training.fusion.students.forecasters import inputs

            found = ate(windows.seen_m[:, -1] + network(inputs(windows))[:, :2].numpy(), windows)
        assert found < 0.5 * still, kind


def test_settings_are_checked(tmp_path: Path) -> None:
    assert [one.kind for one in load_settings().teacher] == ["constant-velocity", "convolutional", "fracast"]
    text = 'seeds = [0]\nfew_walks = 6\nsteps = 5\n[[teacher]]\nkind = "language"\npath = "m.gguf"\n'
    (tmp_path / "one.toml").write_text(text)
    assert isinstance(load_settings(tmp_path / "one.toml").teacher[0], Language)
    (tmp_path / "bad.toml").write_text(text.replace('"language"', '"oracle"'))
    with pytest.raises(FusionError, match="oracle"):
        load_settings(tmp_path / "bad.toml")
    assert ForecastSettings(seeds=(1,), few_walks=6, steps=1, teacher=()).more_walks == 40
