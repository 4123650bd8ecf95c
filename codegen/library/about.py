"""The comment at the head of a library's header: how it is used, what may interrupt what, what it takes."""

from collections.abc import Mapping
from typing import Any

from tinyloc.codegen.c_text import c_comment
from tinyloc.codegen.library.model import LibraryModel


def about(model: LibraryModel, sizes: Mapping[str, Any]) -> str:
    """The comment. `sizes`: board -> figures; what was not measured is not told."""
    body = {"localiser": _localiser, "network": _network, "fusion": _fusion}[model.kind](model)
    lines = [f"{c_comment(model.title)}, made by tinyloc. Do not edit: generate it again.", "", *body, *_stacks(sizes)]
    return "\n".join(["/* " + lines[0], *(f" * {line}".rstrip() for line in lines[1:]), " */"])


def _localiser(model: LibraryModel) -> list[str]:
    name = model.name
    return [
        f"    static {name}_t context;                  all the state there is; one for each thing that is located",
        f"    {name}_init(&context);                    once, and at the start of each recording",
        f"    {name}_hear(&context, index, dbm);        for every packet; index from {name}_access_point(id)",
        f"    {name}_end_scan(&context, &decision);     once a scan: runs the network and begins the next scan",
        "",
        f"{name}_hear() is short and never waits: it may run in an interrupt.",
        f"{name}_begin_scan() and {name}_end_scan() must not be interrupted by it on the same context: call them while",
        "the radio does not report, or with its interrupt masked. Different contexts never disturb each other.",
        "Nothing here allocates memory, waits, or writes to anything but what it is given.",
    ]


def _network(model: LibraryModel) -> list[str]:
    name = model.name
    return [
        f"    static {name}_t context;    all the memory that the network needs beside its inputs and outputs",
        f"    {name}_init(&context);      once, and at the start of each sequence",
        f"    {name}_run(&context, ...);  one sample: inputs to outputs",
        "",
        "Calls on different contexts never disturb each other. Nothing here allocates memory, waits, or writes to",
        "anything but what it is given.",
    ]


def _fusion(model: LibraryModel) -> list[str]:
    name = model.name
    return [
        f"    static {name}_t filter;                                 all the state there is",
        f"    {name}_init(&filter, k, heading);                       k: Weinberg's constant of the person",
        f"    {name}_imu(&filter, time_us, acceleration, rate);       for every inertial sample",
        f"    {name}_ranges(&filter, time_us, ranges, &fused);        for every epoch of ranges",
        "",
        f"`{name}_init` refuses a `k` or a heading that cannot be. `time_us`: microseconds of one clock, 64 bits. Use",
        "a position only where `fused.valid` is set: after ten seconds without a fix it is `stale`.",
        "",
        "No two calls on the same filter may run at a time. Nothing here allocates memory or waits. Single precision:",
        "on a part without an FPU the compiler's library does the arithmetic.",
    ]


def _stacks(sizes: Mapping[str, Any]) -> list[str]:
    """Stack of every call, for the boards that were measured."""
    if not sizes:
        return []
    functions = sorted({function for figures in sizes.values() for function in figures["stack_bytes"]})
    lines = ["", "Bytes of stack at most, the caller's own not counted (arm-none-eabi-gcc -O2):"]
    for function in functions:
        each = ", ".join(
            f"{figures['stack_bytes'][function]:,} on {figures['core']}"
            for figures in sizes.values()
            if function in figures["stack_bytes"]
        )
        lines.append(f"    {function + '()':<32} {each}")
    return lines
