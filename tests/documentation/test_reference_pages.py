"""The generated pages of the site: every command, every key with its meaning, every declaration of a header."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from tests.documentation.blocks import blocks
from tinyloc.boards import Board
from tinyloc.boards.parts import PartFacts
from tinyloc.bundle.schema import Bundle
from tinyloc.codegen.semantics.operator_table import RULES
from tinyloc.main import app
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.recipe import Recipe

HOOKS = Path(__file__).resolve().parents[2] / "docs" / "hooks"


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_hook_{name}", HOOKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and inspect look there
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_has_its_line() -> None:
    pages = hook("command_pages")
    page = pages.page(app)
    commands = dict(pages.commands(typer.main.get_command(app)))
    assert ("emulate",) in commands and ("board", "new") in commands
    for path, command in commands.items():
        assert f"### {' '.join(path)}\n" in page
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                assert parameter.help and pages.cell(parameter.help) in page, (path, parameter.name)


@pytest.mark.parametrize("model", [Recipe, Board, PartFacts, OwnData, Bundle])
def test_every_key_has_a_meaning(model: Any) -> None:
    tables = hook("key_tables")
    assert tables.undescribed(model) == []
    page = tables.page("Title", "Intro.", model)
    for name in model.model_fields:
        assert f"`{name}`" in page or f"`[{name}]`" in page or f"`[[{name}]]`" in page


def test_a_key_shows_type_limits_and_default() -> None:
    page = hook("key_tables").page("Title", "Intro.", Recipe)
    assert "| `hop` | integer, >= 1, <= 1000 | `1` | Samples from one decision to the next, at most `steps`. |" in page
    assert '| `optimise` | `"Os"` or `"O2"` | `"Os"` |' in page
    assert "## `[[distillation.teachers]]`" in page and "The keys of `[model]`." in page


def test_commands_that_a_page_names_exist(repository: Path) -> None:
    known = {path[0] for path, _ in hook("command_pages").commands(typer.main.get_command(app))}
    lost = {}
    for page in [repository / "README.md", repository / "CONTRIBUTING.md", *repository.glob("docs/**/*.md")]:
        named = set(re.findall(r"`tinyloc ([a-z]+)", page.read_text()))
        for block in blocks(page):
            named |= set(re.findall(r"^tinyloc ([a-z]+)", block.text, re.MULTILINE))
        if named - known:
            lost[page.name] = named - known
    assert lost == {}


def test_every_operator_is_on_the_page(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "operators.md").read_text()
    made_by_passes = {"COPY", "JOIN", "LOOP", "RING_ADVANCE", "RING_CONV", "RING_ORDER", "RING_READ", "RING_WRITE",
                      "SELECTIVE_SCAN", "TABLE"}  # fmt: skip
    assert [kind for kind in RULES if kind not in page and kind not in made_by_passes] == []


def test_a_header_becomes_headings_text_and_code() -> None:
    header = """/* What it is. */
#ifndef TL_X_H
#define TL_X_H

#include <stdint.h>

/* How many,
 * in bytes. */
#define TL_COUNT 4

typedef struct {
    int a; /* first */

    int b;
} tl_pair_t;

/* begin again */
void tl_begin(tl_pair_t *pair,
              int count);

#endif
"""
    text = hook("c_headers").section("x.h", header)
    assert text.startswith("## x.h\n\nWhat it is.\n")
    assert "How many, in bytes.\n\n```c\n#define TL_COUNT 4\n```" in text
    assert "### `tl_pair_t`" in text and "    int a; /* first */\n\n    int b;" in text
    assert "### `tl_begin`\n\nBegin again\n\n```c\nvoid tl_begin(tl_pair_t *pair," in text
    assert "include" not in text and "TL_X_H" not in text


def test_the_firmware_s_functions_are_on_the_page(repository: Path) -> None:
    header = (repository / "firmware" / "localise" / "localiser.h").read_text()
    text = hook("c_headers").section("localiser.h", header)
    for name in ("tl_localiser_init", "tl_localiser_sample", "tl_localiser_sample_dense", "tl_localiser_check"):
        assert f"### `{name}`" in text


def test_a_page_that_loads_from_another_server_is_refused() -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    sys.path.insert(0, str(HOOKS))
    try:
        site = hook("build_site")
    finally:
        sys.path.remove(str(HOOKS))

    class Page:
        class file:
            src_uri = "page.md"

    plain = '<a href="https://example.org">x</a><link rel="canonical" href="https://example.org/"><img src="a.svg">'
    assert site.on_post_page(plain, Page, None) == plain
    for tag in ('<script src="https://cdn.org/x.js"></script>', '<link rel=stylesheet href="//fonts.org/a.css">'):
        with pytest.raises(Exception, match="must not load from another server"):
            site.on_post_page(plain + tag, Page, None)
