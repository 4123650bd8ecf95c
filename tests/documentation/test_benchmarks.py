"""The tables of docs/benchmarks.md are the measured ones, and what was measured keeps the project's limits."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import engines_table, table
from tests.bench.engines_table import text_line
from tests.bench.markers import rewritten

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text()
RECIPES: dict[str, Any] = json.loads((ROOT / "results" / "bench" / "recipes.json").read_text())
RECORD: dict[str, Any] = json.loads((ROOT / "results" / "bench" / "engines.json").read_text())
OURS = [row for row in RECORD["rows"] if row["engine"] == "tinyloc"]
CODE_LIMITS = {"fc-autoencoder": 4096, "ds-cnn": 10_240, "resnet": 10_240, "mobilenet": 10_240}
CYCLES_A_MAC = {
    ("fc-autoencoder", "cortex-m4"): 1.6, ("fc-autoencoder", "cortex-m3"): 4.5,
    ("ds-cnn", "cortex-m4"): 0.65 * 3.5, ("ds-cnn", "cortex-m3"): 0.65 * 6.4,
    ("resnet", "cortex-m4"): 0.65 * 2.94, ("resnet", "cortex-m3"): 0.65 * 5.7,
    ("mobilenet", "cortex-m4"): 0.65 * 3.94, ("mobilenet", "cortex-m3"): 0.65 * 6.9,
}  # fmt: skip
"""Of whole models: 0.65 times what TFLM with CMSIS-NN takes of such models; of the autoencoder a figure of its own."""
MEASURED = {
    "cycles", "instructions", "macs", "code_bytes", "constant_bytes", "static_bytes", "arena_bytes", "stack_bytes",
    "equal_to_reference",
}  # fmt: skip


def names(row: dict[str, Any]) -> str:
    return f"{row['model']}-{row['core']}"


def test_the_tables_are_the_measured_ones() -> None:
    assert rewritten(PAGE, table.BEGIN, table.END, table.table(RECIPES)) == PAGE, "run `make bench`"
    assert rewritten(PAGE, engines_table.BEGIN, engines_table.END, engines_table.table(RECORD)) == PAGE, (
        "run `make bench`"
    )


def test_text_between_markers_is_replaced() -> None:
    assert rewritten("before\n<b>\nold\n<e>\nafter\n", "<b>", "<e>", "new") == "before\n<b>\nnew\n<e>\nafter\n"
    with pytest.raises(ValueError, match="<!-- b -->"):
        rewritten("no markers", "<!-- b -->", "<!-- e -->", "")


def test_the_table_of_recipes() -> None:
    result = {
        "recipe": "r",
        "data": "Simulated house A",
        "board": "b",
        "arithmetic": "int8",
        "macro_f1": 0.5,
        "float_macro_f1": 0.6,
        "accuracy": 0.7,
        "float_accuracy": 0.8,
        "samples": 1111,
        "mismatches": 1,
        "flash_bytes": 2048,
        "ram_bytes": 1024,
        "cycles_median": 1234.4,
        "energy_uj": 5.0,
        "ram": {"state": 600, "arena": 400},
        "stage_seconds": {"build": 2.04},
    }
    gain = {"board": "b", "sparse_cycles": 2000.0, "dense_cycles": 21000.0, "ratio": 10.5}
    bench = {
        "date": "2026-11-21",
        "version": "0",
        "results": [result],
        "sparse_first_layer": {"recipe": "r", "optimise": "O2", "boards": [gain]},
    }
    text = table.table(bench)
    scores = "| `r` | simulated | b | int8 | 0.500 (0.600) | 0.700 (0.800) | 1,110 / 1,111 "
    assert scores + "| 2.0 | 1.0 | 1,000 | 1,234 | 5.0 |" in text
    assert "| b | 2,000 | 21,000 | 10.5 x |" in text
    assert "`r` build 2.0 s" in text


def test_every_row_is_whole() -> None:
    assert len(OURS) >= 2
    for row in RECORD["rows"]:
        assert row["refused"] or row.keys() >= MEASURED
        assert row["core"] in ("cortex-m4", "cortex-m3")


@pytest.mark.parametrize("row", OURS, ids=names)
def test_our_rows_keep_the_limits(row: dict[str, Any]) -> None:
    assert row["equal_to_reference"]
    assert row["code_bytes"] <= CODE_LIMITS.get(row["model"], row["code_bytes"])
    assert row["arena_bytes"] <= max(1.1 * row["arena_lower_bound"], 4)
    limit = CYCLES_A_MAC.get((row["model"], row["core"]))
    assert limit is None or row["cycles"] / row["macs"] <= limit
    if row["model"] in CODE_LIMITS:
        assert row["constant_bytes"] <= 1.05 * row["model_bytes"]


def some(engine: str, **changed: Any) -> dict[str, Any]:
    return {
        "model": "m", "core": "cortex-m4", "engine": engine, "cycles": 1500.0, "instructions": 1000, "macs": 1000,
        "code_bytes": 2000, "constant_bytes": 3000, "static_bytes": 100, "arena_bytes": 200, "stack_bytes": 50,
        "equal_to_reference": True, "refused": None, **changed,
    }  # fmt: skip


def test_a_table_has_ratios_refusals_and_differences() -> None:
    rows = [
        some("tinyloc"),
        some("bakenn 1.0.0 portable", cycles=6000.0, equal_to_reference=False),
        some("bakenn 1.0.0 + CMSIS-NN", cycles=3000.0, code_bytes=2500),
        some("tinyloc", model="lstm"),
        {"model": "lstm", "core": "cortex-m4", "engine": "bakenn 1.0.0 portable", "refused": "tensor 18 is variable"},
    ]
    record = {"date": "2026-11-22", "version": "0", "rows": rows}
    text = engines_table.table(record)
    assert "| m | M4 | 1,500 | 1.50 | 6,000, 4.00 x, differs from LiteRT | 3,000, 2.00 x | 2,000 (2,500) " in text
    assert "| lstm | M4 | 1,500 | 1.50 | refused |  | 2,000 | 3,000 | 350 |" in text
    assert "Refused by the peer: lstm: tensor 18 is variable." in text
    assert "4.00 times ours" in text_line(rows[1], rows) and "DIFFERS FROM LiteRT" in text_line(rows[1], rows)
    assert text_line(rows[4], rows).endswith("refused: tensor 18 is variable")
