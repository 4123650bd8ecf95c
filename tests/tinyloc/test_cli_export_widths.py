"""`tinyloc export --explain`: layers by width, costs asked of compiler and emulator, widths for a budget."""

import re
from pathlib import Path

from tinyloc.bundle.schema import load_bundle
from tinyloc.main import main
from tinyloc.training.recipe import parse_recipe
from tinyloc.training.run import train

RECIPE = """
name = "widths"
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 2.0 }
[model]
architecture = "mlp"
hidden = [24]
[training]
epochs = 2
batch = 128
learning_rate = 0.02
[export]
arithmetics = ["int8"]
"""


def explained(runs: Path, flash: int, capsys) -> str:
    if not (runs / "widths").exists():
        train(parse_recipe(RECIPE, "widths"), runs / "widths")
    asked = ["--explain", "--board", "cc2650", "--budget", f"flash={flash}"]
    assert main(["export", "widths", "--runs-dir", str(runs), *asked]) == 0
    return capsys.readouterr().out


def test_a_budget_without_explain_is_refused(capsys) -> None:
    assert main(["export", "any", "--budget", "flash=16K"]) == 2
    assert "--budget needs --explain" in capsys.readouterr().err


def test_widths_are_proposed_for_a_budget_and_the_export_takes_them(tmp_path, capsys) -> None:
    told = explained(tmp_path, 20_000, capsys)
    assert re.search(r"^hidden\.0 +w8a16 +0\.\d+ +0\.\d+ +[+-][\d,]+ B +[+-][\d,]+ B +[+-][\d,]+$", told, re.M)
    four = re.search(r"^hidden\.0 +w4a8 +0\.\d+ +(-[\d,]+) B +\S+ B +([+-][\d,]+)$", told, re.M)
    assert four and int(four[2].replace(",", "")) != 0
    allowed = int(re.search(r"the step may take ([\d,]+) B", told)[1].replace(",", ""))
    int8 = int(re.search(r"int8 takes ([\d,]+) B of flash", told)[1].replace(",", ""))
    assert allowed > int8 and '= "w4a8"' not in told

    least = 20_000 - (allowed - int8) - 20  # 20 bytes less than int8 takes
    told = explained(tmp_path, least, capsys)
    proposed = told.split("[export.widths]\n")[1].split("\n")
    widths = [line for line in proposed if line.startswith('"')]
    assert '"hidden.0" = "w4a8"' in widths or '"head" = "w4a8"' in widths
    text = RECIPE.replace('["int8"]', '["mixed"]\ndefault = "mixed"')
    train(parse_recipe(text + "[export.widths]\n" + "\n".join(widths), "widths"), tmp_path / "chosen")
    assert main(["export", "chosen", "--runs-dir", str(tmp_path)]) == 0
    assert load_bundle(tmp_path / "chosen" / "bundle").models[0].widths["*"] == "w8a8"
