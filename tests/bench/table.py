"""The README's tables of results, from the figures that `bench.py` measured."""

from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

HEAD = (
    "| recipe | board | form | macro F1 (float) | accuracy (float) | as the host | flash | RAM | state + arena "
    "| cycles | energy |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)
PUBLISHED = (
    "Beside them, the quantised localisers that arXiv 2412.09289 publishes for UJIIndoorLoc with 59 areas (cut by "
    "another rule than ours, so only roughly comparable): macro F1 .446 at 31 KB, .640 at 44 KB, .715 at 134 KB, sizes "
    "of the serialised model alone."
)


def kilobytes(count: float) -> str:
    """Bytes in units of 1024."""
    return f"{count / 1024:.1f} KB"


def row(result: dict[str, Any]) -> str:
    """One line of the table, from the JSON of `tinyloc emulate`."""
    same = result["samples"] - result["mismatches"]
    return (
        f"| `{result['recipe']}` | {result['board']} | {result['arithmetic']} "
        f"| {result['macro_f1']:.3f} ({result['float_macro_f1']:.3f}) "
        f"| {result['accuracy']:.3f} ({result['float_accuracy']:.3f}) "
        f"| {same:,} of {result['samples']:,} "
        f"| {kilobytes(result['flash_bytes'])} | {kilobytes(result['ram_bytes'])} "
        f"| {result['ram']['state'] + result['ram']['arena']:,} B "
        f"| {result['cycles_median']:,.0f} | {result['energy_uj']:.1f} µJ |"
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
    """The table, the sparse first layer, published figures, and where ours come from."""
    first = bench["sparse_first_layer"]
    gains = [
        f"{gain['sparse_cycles']:,.0f} cycles instead of {gain['dense_cycles']:,.0f} on {gain['board']}, "
        f"{gain['ratio']:.1f} times fewer"
        for gain in first["boards"]
    ]
    return "\n".join(
        [
            *HEAD,
            *(row(result) for result in bench["results"]),
            "",
            f"The first layer of `{first['recipe']}`, sparse, on a typical scan (median of the test set, "
            f"-{first['optimise']}), beside the same layer compiled dense: {'; '.join(gains)}. "
            "That is this layer alone, not the step.",
            "",
            PUBLISHED,
            "",
            f"Measured by `make bench` on {bench['date']} with tinyloc {bench['version']}, all boards emulated; cycles "
            'and energy are the median of a sample, "as the host" counts samples with equal class and scores. Time on '
            f"that machine, the slowest board of each recipe, whole test set: {stages(bench['results'])}.",
        ]
    )


def rewritten(readme: str, bench: dict[str, Any]) -> str:
    """The README with the table between its markers replaced."""
    before, found, rest = readme.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"the README has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table(bench)}\n{END}{after}"
