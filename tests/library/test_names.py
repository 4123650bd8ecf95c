"""Names in C, whatever the data holds; what a user may call a model."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyloc.codegen.library.c_names import ModelNameError, check_names, enumerators, model_name, name_problem
from tinyloc.codegen.library.namespace import Namespace

HOSTILE = [
    'living "room"',
    "a\nb",
    "*/ int x; /*",
    "Küche",
    "int",
    "??/",
    "",
    "東京",
    "a b",
    "a-b",
    "OK",
    "ok",
    "1st",
    "\\",
]


def test_classes_become_names_of_their_own():
    found = enumerators(["living room", "Küche", "*/", "Living-Room"], "HALL_", {"HALL_KUECHE"})
    assert found == ["HALL_LIVING_ROOM", "HALL_KUECHE_1", "HALL_CLASS_2", "HALL_LIVING_ROOM_3"]


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(HOSTILE)), max_size=12))
def test_enumerators_are_identifiers_and_differ(texts):
    found = enumerators(texts, "HALL_", {"HALL_OK"})
    assert len({*found, "HALL_OK"}) == len(texts) + 1
    assert all(name.isascii() and name.isidentifier() and name.startswith("HALL_") for name in found)


@given(st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE)))
def test_a_models_own_name_becomes_one_that_is_allowed(text):
    assert name_problem(model_name(text)) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [("1st", "no C identifier"), ("ha ll", "no C identifier"), ('x"', "no C identifier"), ("_x", "no C identifier"),
     ("über", "no C identifier"), ("int", "keyword"), ("Class", "keyword"), ("tl_x", "kernels"), ("a__b", "C\\+\\+"),
     ("x" * 40, "40 characters")],
)  # fmt: skip
def test_a_name_that_c_cannot_have_is_refused(name, why):
    with pytest.raises(ModelNameError, match=why):
        check_names([name])


def test_all_names_that_cannot_be_together_are_told_at_once():
    with pytest.raises(ModelNameError, match=r"two models have the name 'Hall'.*'hall' and 'hall_2'"):
        check_names(["hall", "Hall", "hall_2"])


def test_names_of_the_kernels_stay_and_all_others_are_the_models():
    own = Namespace("hall")
    kept = '"tl_own \\" tl_text"; #include "kernels/tl_fixed.h"'
    source = f"tl_model_step(TL_INPUTS, tl_clamp(x)); tl_context_t c; layer_00_x; {kept}"
    expected = f"hall_model_step(HALL_INPUTS, tl_clamp(x)); hall_t c; hall_layer_00_x; {kept}"
    assert own.apply(source) == expected


def test_names_of_a_hostile_bundle_compile(tmp_path):
    """Not one by one: as the header and the tables have them."""
    from tinyloc.codegen.c_text import c_comment, c_string

    lines = [
        f"    {name} = {number}, /* {c_comment(text)} */"
        for number, (name, text) in enumerate(zip(enumerators(HOSTILE, "HALL_"), HOSTILE, strict=True))
    ]
    strings = "\n".join(f"    {c_string(text)}," for text in HOSTILE)
    (tmp_path / "x.c").write_text(
        "enum hall_class {\n" + "\n".join(lines) + "\n};\nextern const char *const names[];\n"
        "const char *const names[] = {\n" + strings + "\n};\n",
        encoding="utf-8",
    )
    subprocess.run(
        ["gcc", "-std=c99", "-trigraphs", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "x.c"],
        cwd=tmp_path,
        check=True,
    )
