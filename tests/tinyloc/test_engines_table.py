"""The README's table of engines is the measured one, and what was measured keeps the project's limits."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.engines_table import BEGIN, END, rewritten, table, text_line

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
RECORD: dict[str, Any] = json.loads((Path(__file__).resolve().parents[2] / "docs" / "engines.json").read_text())
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


def test_the_table_is_the_measured_one() -> None:
    assert rewritten(README, RECORD) == README, "run `make bench`"


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
    text = rewritten(f"before\n{BEGIN}\nold\n{END}\nafter\n", record)
    assert "| m | M4 | 1,500 | 1.50 | 6,000, 4.00 x, other bytes than LiteRT | 3,000, 2.00 x | 2,000 (2,500) " in text
    assert "| lstm | M4 | 1,500 | 1.50 | refused |  | 2,000 | 3,000 | 350 |" in text
    assert "Refused by the peer: lstm: tensor 18 is variable." in text
    assert "old" not in text and rewritten(text, record) == text and table(record) in text
    assert "4.00 times ours" in text_line(rows[1], rows) and "DIFFERS FROM LiteRT" in text_line(rows[1], rows)
    assert text_line(rows[4], rows).endswith("refused: tensor 18 is variable")
    with pytest.raises(ValueError, match="engines:begin"):
        rewritten("no markers", record)
