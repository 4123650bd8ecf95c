"""MkDocs hook: adds the pages that are generated from code and results, and forbids anything from another server."""

import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import c_headers
import command_pages
import key_tables
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?(https?:)?//[^\"'>\s]+[^>]*>")
NO_DOWNLOAD = re.compile(r'rel="?(canonical|alternate|next|prev|me)')


def commands() -> str:
    """reference/commands.md."""
    from tinyloc.main import app

    return command_pages.page(app)


def recipe_keys() -> str:
    """reference/recipe.md."""
    from tinyloc.training.recipe import Recipe

    intro = (
        "A recipe is one TOML file. `tinyloc recipes` lists those that come with tinyloc; copy one of "
        "`training/recipes/` to start your own. Unknown keys are errors. This page is generated from the code."
    )
    return key_tables.page("Recipe keys", intro, Recipe)


def own_data_keys() -> str:
    """reference/own-data.md."""
    from tinyloc.training.data.own.description import OwnData

    intro = (
        "A TOML file describes your own recordings. `tinyloc init` writes a first one. Unknown keys are errors. This "
        "page is generated from the code."
    )
    return key_tables.page("Data description keys", intro, OwnData)


def own_network_keys() -> str:
    """reference/own-network-keys.md."""
    from tinyloc.export.network.description import Description

    intro = (
        "A TOML file describes a network of your own for `tinyloc bundle new MODEL --data FILE.toml` "
        "([tutorial](../tutorials/own-localiser.md)). Unknown keys are errors. This page is generated from the code."
    )
    return key_tables.page("Own network keys", intro, Description)


def bundle_keys() -> str:
    """reference/bundle.md."""
    from tinyloc.bundle.schema import Bundle

    intro = (
        "`bundle.json` of a [bundle](../concepts/bundle.md), format 2. The tables are objects of the file. Keys that "
        "are not required and show no default are null or empty. This page is generated from the code.\n\n"
        "- Unknown keys, NaN, infinities, numbers out of range and tables of the wrong shape are errors. `tinyloc` "
        "reports all of them at once.\n"
        "- Names of models and files use letters (a-z), digits, `.`, `_` and `-`, at most 100 characters. Other texts "
        "are one line of at most 500 characters in any script, without control characters.\n"
        "- `tinyloc` reads format 1 as well and rewrites it in memory. It refuses a newer format and says what to do."
    )
    return key_tables.page("Bundle keys", intro, Bundle)


def part_keys() -> str:
    """reference/part.md."""
    from tinyloc.boards.parts import PartFacts

    intro = (
        "`parts/NAME.toml` holds what the silicon of a microcontroller has. Boards of the part name it; "
        "`tinyloc board check` and the emulator compare `board.toml` with it. Unknown keys are errors. This page is "
        "generated from the code."
    )
    return key_tables.page("Part keys", intro, PartFacts)


def board_keys() -> str:
    """reference/board.md."""
    from tinyloc.boards import Board

    intro = (
        "A board is `boards/NAME/board.toml` and a linker script beside it. `tinyloc board new` writes both. Unknown "
        "keys are errors. This page is generated from the code."
    )
    return key_tables.page("board.toml keys", intro, Board)


def run_quietly(*arguments: str) -> None:
    """Run a tinyloc command whose files a page shows."""
    from tinyloc.main import main

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        code = main(arguments)
    if code != 0:
        raise PluginError(f"tinyloc {' '.join(arguments)} failed; a page needs its files: {said.getvalue()}")


def c_interface() -> str:
    """reference/c-interface.md: the headers of a library, of generated code and of our firmware."""
    parts = [
        "# C interface",
        "",
        "This page is generated from the headers. `hall.h` is the interface for your own firmware: `tinyloc library "
        "zoo:uji --name hall` writes it. `model.h` is the generated code behind our firmware (`tinyloc codegen "
        "zoo:uji`). The others are headers of our firmware.",
        "",
        "No function uses a heap; the caller owns every buffer. All but those of the fusion (single precision) use "
        "integers only.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        runs, library = Path(folder) / "runs", Path(folder) / "hall"
        where = ("--runs-dir", str(runs))
        run_quietly("library", "zoo:uji", "--name", "hall", "--no-sizes", "--out", str(library), *where)
        run_quietly("codegen", "zoo:uji", *where)
        headers = [library / "include" / "hall.h", *sorted(runs.glob("*/generated/*/model.h"))]
        parts += [c_headers.section(f"{path.name} (generated)", path.read_text()) for path in headers]
    for name in ("localise/localiser.h", "fusion/fusion.h", "port/port.h"):
        parts.append(c_headers.section(name, (ROOT / "firmware" / name).read_text()))
    return "\n".join(parts)


def from_root(name: str, folder_prefix: str = "docs/") -> str:
    """A page of the repository's root, with its links to docs/ made relative to the site."""
    return (ROOT / name).read_text().replace(f"]({folder_prefix}", "](")


GENERATED = {
    "reference/commands.md": commands,
    "reference/recipe.md": recipe_keys,
    "reference/own-data.md": own_data_keys,
    "reference/own-network-keys.md": own_network_keys,
    "reference/bundle.md": bundle_keys,
    "reference/board.md": board_keys,
    "reference/part.md": part_keys,
    "reference/c-interface.md": c_interface,
    "contributing.md": lambda: from_root("CONTRIBUTING.md"),
    "changelog.md": lambda: from_root("CHANGELOG.md"),
}


def study_files() -> dict[str, Path]:
    """Tables and plots of the committed studies, by their place on the site."""
    found: dict[str, Path] = {}
    for table in sorted((ROOT / "results").glob("*/table.md")):
        found[f"results/tables/{table.parent.name}.md"] = table
        for plot in sorted(table.parent.glob("*.svg")):
            found[f"results/tables/{plot.parent.name}-{plot.name}"] = plot
    return found


def study_page(place: str, path: Path) -> str:
    """A committed table with its plots below."""
    plots = [plot.name for plot in sorted(path.parent.glob("*.svg"))]
    shown = [f"![{Path(name).stem}]({path.parent.name}-{name})" for name in plots]
    return "\n\n".join(["---\nhide:\n  - toc\n---", path.read_text(), *(["## Plots"] if shown else []), *shown]) + "\n"


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages and the tables of the studies."""
    for place, make in GENERATED.items():
        files.append(File.generated(config, place, content=make()))
    for place, path in study_files().items():
        content = study_page(place, path) if path.suffix == ".md" else path.read_bytes()
        files.append(File.generated(config, place, content=content))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Refuse a page that loads anything from another server."""
    for match in LOADED.finditer(output):
        if not NO_DOWNLOAD.search(match[0]):
            raise PluginError(f"{page.file.src_uri} loads {match[0]}; the site must not load from another server")
    return output
