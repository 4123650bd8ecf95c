"""The table of compilers in docs/benchmarks.md and its lines on a terminal, from what `engines.py` measured."""

from collections.abc import Sequence
from typing import Any

BEGIN, END = "<!-- engines:begin -->", "<!-- engines:end -->"
OURS = "tinyloc"
PORTABLE, OVERLAY = "bakenn 1.0.0 portable", "bakenn 1.0.0 + CMSIS-NN"
CORES = {"cortex-m4": "M4", "cortex-m3": "M3"}
HEAD = (
    f"| model | core | cycles | cycles per MAC | {PORTABLE} | {OVERLAY} | code | constants | RAM |",
    "|---|---|---|---|---|---|---|---|---|",
)

Row = dict[str, Any]


def ram(row: Row) -> int:
    """All RAM of an image: buffers, state and start-up, arena, the stack that was used."""
    return int(row["static_bytes"] + row["arena_bytes"] + row["stack_bytes"])


def found(rows: Sequence[Row], row: Row, engine: str) -> Row | None:
    """The row of another engine on the same model and core."""
    same = (row["model"], row["core"], engine)
    return next((r for r in rows if (r["model"], r["core"], r["engine"]) == same), None)


def text_line(row: Row, rows: Sequence[Row]) -> str:
    """One row for a terminal, with its ratio to ours."""
    head = f"{row['model']:<32} {row['core']}  {row['engine']:<24}"
    if row["refused"]:
        return f"{head} refused: {row['refused']}"
    ours = found(rows, row, OURS)
    times = "" if ours is None or ours is row else f", {row['cycles'] / ours['cycles']:.2f} times ours"
    per_mac = f", {row['cycles'] / row['macs']:.2f} per MAC" if row["macs"] else ""
    return (
        f"{head} {row['cycles']:>12,.0f} cycles{per_mac}{times}; code {row['code_bytes']:,}, constants "
        f"{row['constant_bytes']:,}, RAM {ram(row):,} (arena {row['arena_bytes']:,}); "
        f"{'equal to' if row['equal_to_reference'] else 'DIFFERS FROM'} LiteRT"
    )


def cells(row: Row, rows: Sequence[Row]) -> list[str]:
    """One line of the table: one of our rows, with what the peer takes beside it."""
    others = [found(rows, row, engine) for engine in (PORTABLE, OVERLAY)]
    best = next((r for r in reversed(others) if r is not None and not r["refused"]), None)

    def beside(figure: Any) -> str:
        return f"{figure(row):,}" + (f" ({figure(best):,})" if best is not None else "")

    def cycles(other: Row | None) -> str:
        if other is None:
            return ""
        if other["refused"]:
            return "refused"
        same = "" if other["equal_to_reference"] else ", differs from LiteRT"
        return f"{other['cycles']:,.0f}, {other['cycles'] / row['cycles']:.2f} x{same}"

    return [
        row["model"],
        CORES[row["core"]],
        f"{row['cycles']:,.0f}" + ("" if row["equal_to_reference"] else ", differs from LiteRT"),
        f"{row['cycles'] / row['macs']:.2f}" if row["macs"] else "",
        *map(cycles, others),
        beside(lambda r: r["code_bytes"]),
        beside(lambda r: r["constant_bytes"]),
        beside(ram),
    ]


def table(record: dict[str, Any]) -> str:
    """The table and what its figures are."""
    rows = record["rows"]
    refusals = sorted({f"{r['model']}: {r['refused']}" for r in rows if r["refused"]})
    refused = [f"Refused by the peer: {'; '.join(refusals)}.", ""] if refusals else []
    return "\n".join(
        [
            *HEAD,
            *(f"| {' | '.join(cells(row, rows))} |" for row in rows if row["engine"] == OURS),
            "",
            *refused,
            "Cycles are modelled and of one inference, without wait states. Sizes are in bytes; the peer's stand in "
            "brackets, with its overlay where it has one. All engines use the same .tflite file, C compiler (-O2), "
            "start-up code and emulator. Outputs are compared with LiteRT's reference kernels. This rules out our own "
            "scan arithmetic, so a Mamba in 16x8 is slower here than in a localiser. Weights are random with a fixed "
            "seed (`tests/bench/models.py`). Code is the network's functions, kernels and the library functions that "
            "they call. RAM is inputs, outputs, state, arena and used stack. "
            f"Measured by `make bench` on {record['date']} with tinyloc {record['version']}.",
        ]
    )
