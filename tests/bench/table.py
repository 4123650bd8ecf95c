"""The table of recipes in docs/benchmarks.md, from the figures that `bench.py` measured."""

from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

HEAD = (
    "| recipe | data | board | form | macro F1 (float) | accuracy (float) | equal to the host | flash, KB | RAM, KB "
    "| state + arena, B | cycles | energy, µJ |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)
PUBLISHED = (
    "Published for comparison, UJIIndoorLoc with 59 areas (arXiv 2412.09289, table 8; the areas follow another rule, "
    "so the comparison is rough). Static int8 Mamba models: macro F1 .399 at 27 KB, .552 at 31 KB, .621 at 58 KB. "
    "FP32 Mamba models: .446 at 31 KB, .640 at 44 KB, .715 at 134 KB. These sizes are of the serialised model alone."
)


def kilobytes(count: float) -> str:
    """Bytes in units of 1024."""
    return f"{count / 1024:.1f}"


def kind(data: str) -> str:
    """ "real" or "simulated", by the title of the data set."""
    return "simulated" if data.startswith("Simulated") else "real"


def row(result: dict[str, Any]) -> str:
    """One line of the table, from the JSON of `tinyloc emulate`."""
    same = result["samples"] - result["mismatches"]
    return (
        f"| `{result['recipe']}` | {kind(result['data'])} | {result['board']} | {result['arithmetic']} "
        f"| {result['macro_f1']:.3f} ({result['float_macro_f1']:.3f}) "
        f"| {result['accuracy']:.3f} ({result['float_accuracy']:.3f}) "
        f"| {same:,} / {result['samples']:,} "
        f"| {kilobytes(result['flash_bytes'])} | {kilobytes(result['ram_bytes'])} "
        f"| {result['ram']['state'] + result['ram']['arena']:,} "
        f"| {result['cycles_median']:,.0f} | {result['energy_uj']:.1f} |"
    )


def stages(results: list[dict[str, Any]]) -> str:
    """The longest time that each stage of a recipe took on any board."""
    longest: dict[str, dict[str, float]] = {}
    for result in results:
        took = longest.setdefault(result["recipe"], {})
        for stage, seconds in result["stage_seconds"].items():
            took[stage] = max(took.get(stage, 0.0), seconds)
    return "; ".join(
        f"`{recipe}` " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in took.items())
        for recipe, took in longest.items()
    )


def table(bench: dict[str, Any]) -> str:
    """The table, the sparse first layer, published figures, and how all of it was measured."""
    first = bench["sparse_first_layer"]
    gains = [
        f"| {gain['board']} | {gain['sparse_cycles']:,.0f} | {gain['dense_cycles']:,.0f} | {gain['ratio']:.1f} x |"
        for gain in first["boards"]
    ]
    return "\n".join(
        [
            *HEAD,
            *(row(result) for result in bench["results"]),
            "",
            f"First layer of `{first['recipe']}` alone, sparse and dense (median scan of the test set, "
            f"-{first['optimise']}):",
            "",
            "| board | cycles, sparse | cycles, dense | speed-up |",
            "|---|---|---|---|",
            *gains,
            "",
            PUBLISHED,
            "",
            f"Measured by `make bench` on {bench['date']} with tinyloc {bench['version']}. All boards are emulated. "
            'Cycles and energy are the median per sample; wait states of the flash are not counted. "Equal to the '
            "host\" counts samples whose class and scores all equal the host's. Run time of each stage, slowest board, "
            f"whole test set: {stages(bench['results'])}.",
        ]
    )
