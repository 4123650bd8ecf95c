"""docs/reference/bundle.md, from the schema. Run `python docs/hooks/bundle_page.py` after a change of the schema."""

from pathlib import Path

import key_tables

from tinyloc.bundle.schema import FORMAT_VERSION, Bundle

PAGE = Path(__file__).resolve().parents[1] / "reference" / "bundle.md"
INTRO = f"""\
A bundle is the directory that `tinyloc export` writes: `bundle.json`, one `.tflite` file per arithmetic, and
`test.npz`. This page lists the keys of `bundle.json`, format version {FORMAT_VERSION}. It is generated from
`tinyloc/bundle/schema.py`.

- Unknown keys, NaN, infinities, numbers out of range and tables of the wrong shape are errors. `tinyloc` reports all of
  them at once.
- Names of models and files use letters (a-z), digits, `.`, `_` and `-`, at most 100 characters. Other texts are one
  line of at most 500 characters in any script, without control characters.
- `tinyloc` reads format version 1 as well, and rewrites it in memory. It refuses a newer format and reports what to do.
- Keys that are not required and show no default are null or empty."""


def text() -> str:
    """The page."""
    return key_tables.page("bundle.json keys", INTRO, Bundle)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")
