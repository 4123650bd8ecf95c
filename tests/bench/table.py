"""The README's table of results, from the figures that `bench.py` measured."""

from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

HEAD = (
    "| recipe | board | form | macro F1 (float) | accuracy (float) | as the host | flash | RAM | cycles | energy |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def row(result: dict[str, Any]) -> str:
    """One line of the table, from the JSON of `tinyloc emulate`."""
    same = result["samples"] - result["mismatches"]
    return (
        f"| `{result['recipe']}` | {result['board']} | {result['arithmetic']} "
        f"| {result['macro_f1']:.3f} ({result['float_macro_f1']:.3f}) "
        f"| {result['accuracy']:.3f} ({result['float_accuracy']:.3f}) "
        f"| {same:,} of {result['samples']:,} "
        f"| {result['flash_bytes'] / 1024:.1f} KB | {result['ram_bytes'] / 1024:.1f} KB "
        f"| {result['cycles_median']:,.0f} | {result['energy_uj']:.1f} µJ |"
    )


def table(bench: dict[str, Any]) -> str:
    """The table and one sentence on where the figures come from."""
    first = bench["sparse_first_layer"]
    gains = [
        f"{gain['sparse_cycles']:,.0f} cycles instead of {gain['dense_cycles']:,.0f} on {gain['board']}, "
        f"{gain['ratio']:.1f} times fewer"
        for gain in first["boards"]
    ]
    seconds = [f"{name} {value:.1f} s" for name, value in bench["seconds_at_most"].items()]
    return "\n".join(
        [
            *HEAD,
            *(row(result) for result in bench["results"]),
            "",
            f"The sparse first layer of `{first['recipe']}` on a typical scan (median of the test set, "
            f"-{first['optimise']}), beside the same layer compiled dense: {'; '.join(gains)}.",
            "",
            f"Measured by `make bench` on {bench['date']} with tinyloc {bench['version']}, all boards emulated; "
            "cycles and energy are the median of a sample, \"as the host\" counts samples with equal class and scores. "
            f"Slowest run of each stage on that machine: {', '.join(seconds)}.",
        ]
    )


def rewritten(readme: str, bench: dict[str, Any]) -> str:
    """The README with the table between its markers replaced."""
    before, found, rest = readme.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"the README has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table(bench)}\n{END}{after}"
