"""Names from files that hold code, markup or paths: refused where they enter, harmless wherever they leave."""

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.codegen.tflite_models import TFLiteModel
from tests.evaluation_samples import house_evaluation
from tests.small_bundle import small_bundle
from tinyloc import paths
from tinyloc.boards import BoardError, load_board
from tinyloc.bundle.schema import BundleError, load_bundle
from tinyloc.codegen.c_text import c_comment, c_string
from tinyloc.codegen.compile import compile_bundle, compile_tflite
from tinyloc.codegen.lowering.harness import add_harness
from tinyloc.device.board_new import new_board
from tinyloc.device.report.junit import junit
from tinyloc.device.report.markdown import markdown
from tinyloc.device.zoo.models import ZooError, load_card
from tinyloc.device.zoo.pack import pack
from tinyloc.escape import markdown_text
from tinyloc.main import main
from tinyloc.paths import ZOO_DIR
from tinyloc.training.data.own import load as load_own
from tinyloc.training.errors import DataError, RecipeError
from tinyloc.training.recipe import find_recipe, parse_recipe

INCBIN = '"\n__asm__(".incbin \\"/etc/passwd\\"");\n#define X "'
CODE = [
    INCBIN,
    '*/ __asm__(".incbin \\"/etc/passwd\\""); /*',
    'a??/"; int b; char c[] = "',
    "ends in a backslash \\",
    "??/",
    "/* /*/ */*/",
    "Küche \u202e\u2066 EG",
    "\x00\x1b[2J",
]
PATHS = ["../../etc/x", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "C:x", "a b", "-rf", "a;b", "$(x)", "x\n", ""]


def _change(directory: Path, place: str, value: Any) -> None:
    content = json.loads((directory / "bundle.json").read_text())
    *above, last = place.split(".")
    table = content
    for key in above:
        table = table[int(key) if isinstance(table, list) else key]
    table[int(last) if isinstance(table, list) else last] = value
    (directory / "bundle.json").write_text(json.dumps(content))


# Where they enter


@pytest.mark.parametrize("name", [*CODE, *PATHS])
@pytest.mark.parametrize("place", ["name", "architecture", "models.0.path"])
def test_a_bundle_whose_name_is_code_or_a_path_is_refused(name: str, place: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    _change(bundle, place, name)
    with pytest.raises(
        BundleError, match=rf"{place.replace('.', '[.]')}: .* cannot be a name: use at most 100 letters"
    ):
        load_bundle(bundle)


LINES = ("outputs.classes.0", "preprocessing.access_points.3", "data.title", "data.licence", "models.0.input",
         "models.0.states.0.name", "provenance.versions.numpy", "site.rooms.0.name")  # fmt: skip


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "a\u202eb", "\ud800", "a\u2028b", "x" * 501])
@pytest.mark.parametrize("place", LINES)
def test_a_bundle_s_texts_are_lines_without_control_characters(name: str, place: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    _change(bundle, place, name)
    with pytest.raises(BundleError, match=rf"{place.replace('.', '[.]')}.*: .*(control character|characters; at most)"):
        load_bundle(bundle)


def test_classes_in_any_script_are_kept(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    names = ['Küche "EG" */', "廊下", "кухня | 2", "<b>salle d'eau</b>"]
    _change(bundle, "outputs.classes", names)
    assert load_bundle(bundle).outputs.classes == names


@pytest.mark.parametrize(("place", "name"), [("outputs.classes", "room 2"), ("preprocessing.access_points", "ap2")])
def test_two_of_one_name_are_refused(place: str, name: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    _change(bundle, f"{place}.1", name)
    with pytest.raises(BundleError, match=f"{place}: '{name}' is named twice"):
        load_bundle(bundle)


def test_a_key_of_a_bundle_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = small_bundle(tmp_path / "run" / "bundle")
    _change(bundle, "\x1b[2Jgone", 1)
    assert main(["codegen", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "<U+001B>[2Jgone: Extra inputs are not permitted" in said


BOARD_PLACES = {
    'name = "stm32l4"': "name",
    'linker_script = "stm32l4.ld"': "build.linker_script",
    'part = "STM32L432KC"': "part",
    'name = "flash"\nbase': "memory.0.name",
    'instance = "USART2"': "uart.instance",
    'title = "Nucleo-L432KC (STM32L432KC)"': "title",
}


@pytest.mark.parametrize("line", BOARD_PLACES)
def test_a_board_whose_names_are_code_is_refused(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(paths.BOARDS_DIR / "stm32l4", tmp_path / "stm32l4")
    path = tmp_path / "stm32l4" / "board.toml"
    key, _, rest = line.partition(" = ")
    evil = "x\\n} INCLUDE /etc/passwd\\n../"
    path.write_text(
        path.read_text().replace(line, f'{key} = "{evil}"' + rest.partition("\n")[1] + rest.partition("\n")[2], 1)
    )
    monkeypatch.setattr(paths, "BOARDS_DIR", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BoardError, match=BOARD_PLACES[line].replace(".", "[.]") + ": .*(cannot be a|control character)"
    ):
        load_board("stm32l4")


@pytest.mark.parametrize("text", ['x"\nflags = ["-fplugin=evil.so"]', '"', "\\", "*/ int x; /*", "\x1b"])
@pytest.mark.parametrize("option", ["part", "title"])
def test_a_new_board_is_not_called_like_code(option: str, text: str) -> None:
    with pytest.raises(BoardError, match=f"--{option}"):
        new_board("mine", **({"part": "STM32L432KC"} | {option: text}))


@pytest.mark.parametrize("name", PATHS)
def test_a_recipe_s_name_is_no_path(name: str) -> None:
    text = find_recipe("uji-mlp").read_text()
    changed = text.replace('name = "uji-mlp"', f"name = {json.dumps(name)}")
    assert changed != text
    with pytest.raises(RecipeError, match=r"name: .* cannot be a name"):
        parse_recipe(changed, "r.toml")


@pytest.mark.parametrize("name", PATHS)
def test_a_model_is_packed_under_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"zoo pack: .* cannot be a name"):
        pack(tmp_path / "run", name, ["stm32l4"], folder=tmp_path / "zoo")


def test_a_card_with_a_hostile_title_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ZOO_DIR / "uji", tmp_path / "uji")
    card = json.loads((tmp_path / "uji" / "card.json").read_text())
    (tmp_path / "uji" / "card.json").write_text(json.dumps(card | {"title": "\x1b]0;x\x07", "name": "../uji"}))
    with pytest.raises(ZooError, match=r"name: .* cannot be a name.*title: .* control character"):
        load_card("uji", tmp_path)


def test_a_label_of_own_data_that_no_bundle_may_hold_is_named_before_training(tmp_path: Path) -> None:
    from tinyloc.training.data import catalogue

    rows = "".join(f'-50,-60,"{label}",r{number}\n' for number in range(12) for label in ("a\nb", "c"))
    (tmp_path / "scans.csv").write_text("ap1,ap2,room,walk\n" + rows)
    (tmp_path / "data.toml").write_text(
        'name = "x"\nlicence = "l"\nfile = "scans.csv"\n[columns]\naccess_points = ["ap*"]\nlabel = "room"\n'
        'recording = "walk"\n'
    )
    assert load_own(tmp_path / "data.toml").classes == ("a\nb", "c")
    with pytest.raises(DataError, match=r"class 0: 'a<U\+000A>b' holds the control character U\+000A at place 2"):
        catalogue.load("csv", {}, tmp_path / "data.toml")


# Where they leave


@pytest.mark.parametrize("text", CODE)
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_text_stays_in_its_comment_and_string(text: str, standard: str, tmp_path: Path) -> None:
    source = (
        f"/* {c_comment(text)} */\n/* {c_comment(text)}\n*/\nextern const char name[];\n"
        f"const char name[] = {c_string(text)};\n#define NAME {c_string(text)}\nextern const char other[];\n"
        "const char other[] = NAME;\n"
    )
    (tmp_path / "a.c").write_text(source, encoding="utf-8")
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Wtrigraphs", "-Werror", "-c"]
    subprocess.run(["cc", *flags, "a.c", "-o", "a.o"], cwd=tmp_path, check=True)
    data = subprocess.run(["strings", "-a", "-n", "6", "a.o"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"root:" not in data


@pytest.mark.parametrize("text", [text for text in CODE if text.isascii() and "\0" not in text])
def test_a_string_is_read_back_by_the_compiler(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(f"#include <stdio.h>\nint main(void) {{ fputs({c_string(text)}, stdout); }}\n")
    subprocess.run(["cc", "-std=c11", "a.c", "-o", "a"], cwd=tmp_path, check=True)
    assert subprocess.run([str(tmp_path / "a")], check=True, capture_output=True).stdout == text.encode()


def test_every_template_escapes_what_users_name() -> None:
    """`name`, `tflite` and comments stand nowhere without their filter."""
    import re

    from tinyloc import codegen

    for path in (Path(codegen.__file__).parent / "templates").glob("*.j2"):
        for found in re.findall(
            r"\{\{\s*((?:array\.|layer\.)?(?:name|tflite|comment))\s*(\|[^}]*)?\}\}", path.read_text()
        ):
            variable, filters = found
            if variable in ("array.name", "layer.name"):
                continue  # ours: tl_ and a number
            assert "c_comment" in filters or "c_string" in filters, (path.name, variable)


@pytest.mark.parametrize("text", [text for text in CODE if "\0" not in text])
def test_generated_c_of_a_network_holds_hostile_names(text: str, tmp_path: Path) -> None:
    """Names of the file, of tensors and of a state, through `tinyloc compile` with its harness."""
    model = TFLiteModel()
    x = model.input((1, 4), name=text)
    y = model.tensor((1, 4), "int8", 0.1, name=f"{text} y")
    model.operator("ABS", [x], [y])
    model.output(y)
    path = tmp_path / (text.replace("/", "_")[:60] + ".tflite")
    manifest = compile_tflite(model.write(path), tmp_path / "out")
    add_harness(tmp_path / "out", manifest)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I.", "-c"]
    for name in ("model.c", "weights.c", "harness.c"):
        subprocess.run(["cc", *flags, name], cwd=tmp_path / "out", check=True)
        symbols = subprocess.run(["nm", f"{name[:-2]}.o"], cwd=tmp_path / "out", check=True, capture_output=True).stdout
        assert b" main" not in symbols and b"root:" not in (tmp_path / "out" / f"{name[:-2]}.o").read_bytes()


@pytest.mark.parametrize("name", ["int", "class", "operator", "NULL", "9", "_", "übung"])
def test_a_state_may_be_called_as_c_calls_its_own(name: str, tmp_path: Path) -> None:
    model = TFLiteModel()
    before = model.input((1, 4), name=f"{name}_in")
    x = model.input((1, 4), name="x")
    y = model.tensor((1, 4), "int8", 0.1, name="y")
    model.operator("ADD", [x, before], [y])
    model.output(y)
    compile_tflite(model.write(tmp_path / "m.tflite"), tmp_path / "out", [(f"{name}_in", "y")])
    subprocess.run(
        ["cc", "-std=c11", "-Werror", f"-I{paths.FIRMWARE_DIR}", "-c", "model.c"], cwd=tmp_path / "out", check=True
    )


def test_a_class_stands_in_no_generated_file_of_a_localiser(tmp_path: Path) -> None:
    """Until the compiler writes a table of names, it has nothing to escape there."""
    bundle = small_bundle(tmp_path / "bundle")
    _change(bundle, "outputs.classes.0", '*/ "secret" \\')
    compile_bundle(bundle, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert "secret" not in path.read_text(), path.name


@pytest.mark.parametrize("text", CODE)
def test_junit_is_well_formed_xml(text: str) -> None:
    line = {"name": "ram", "used": 2.0, "limit": 1.0, "unit": "B", "source": "board"}
    evaluation = house_evaluation(budget=[line])
    line_copy = evaluation.budget[0].model_copy(update={"name": text, "source": text, "unit": text})
    hostile = evaluation.model_copy(update={"name": text, "board": f"]]>{text}", "budget": [line_copy]})
    root = ET.fromstring(junit([hostile]))
    assert len(root.findall(".//testcase")) == 2 and len(root.findall(".//failure")) == 1


@pytest.mark.parametrize(
    "text", [*CODE, "a|b", "a\\|b", "[x](http://x)", "`code`", "<img src=x>", "**b**", "a\nb", "# h"]
)
def test_markdown_keeps_its_table_and_shows_the_text(text: str) -> None:
    evaluation = house_evaluation().model_copy(update={"name": text, "board": text})
    plain = markdown([house_evaluation()]).splitlines()
    lines = markdown([evaluation]).splitlines()
    assert len(lines) == len(plain)
    for mine, theirs in zip(lines, plain, strict=True):
        assert _bars(mine) == _bars(theirs)
        for mark in ("`", "[", "]", "<img"):
            assert mine.replace(f"\\{mark}", "").count(mark) == theirs.count(mark)


def _bars(line: str) -> int:
    """Ends of cells: bars that no odd number of backslashes stands before."""
    import re

    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


def test_markdown_is_shown_letter_by_letter() -> None:
    assert markdown_text("a_b *c* |") == "a\\_b \\*c\\* \\|"


def test_a_record_of_an_evaluation_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(house_evaluation().model_dump_json()) | {"name": "\x1b[2J", "board_title": "a\nb"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evaluation-stm32l4.json").write_text(json.dumps(record))
    assert main(["report", str(tmp_path / "run")]) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "control character" in said.err
