"""The example notebooks run from top to bottom, and their objects show themselves."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NEEDED = ("nbclient", "ipykernel", "onnx2tf")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"missing package: {', '.join(MISSING)} (extras test and export)")
@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_example_notebook(notebook: Path, tmp_path: Path) -> None:
    import nbclient
    import nbformat

    book = nbformat.read(notebook, as_version=4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        output.data.get("text/html", "")
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert sum("<table>" in html for html in shown) == 3 and any("Passed" in html for html in shown)
    assert (tmp_path / "notebook.html").is_file()
    assert all(not cell.get("outputs") for cell in nbformat.read(notebook, as_version=4).cells), "clear its outputs"
