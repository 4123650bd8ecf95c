"""What the examples of a library need of its models and of boards: calls in C, linker scripts, words in flash."""

from collections.abc import Sequence
from typing import Any

from tinyloc.boards import Board, FixedWords
from tinyloc.codegen.library.model import LibraryModel

LEAST_STACK = 2048
"""Bytes that the bare example reserves at the least: a self-test takes more than a step."""
BOARDS = ("stm32l4", "aducm3029", "cc2650")
"""Boards of the bare example; the first is its default."""


def calls(model: LibraryModel) -> dict[str, str]:
    """C statements about one model, by their place in the templates."""
    name = model.name
    if model.kind == "localiser":
        objects = [f"static {name}_t {{0}}context;", f"static {name}_decision_t {{0}}decision;"]
        once = [
            f"{name}_init(&{{0}}context);",
            f"{name}_begin_scan(&{{0}}context);",
            f"{name}_hear(&{{0}}context, 0, -60);",
            f"(void){name}_end_scan(&{{0}}context, &{{0}}decision);",
        ]
        told = f'printf("{name}: %s\\n", {name}_class_name(decision.class_index));'
        selftest = f"{name}_selftest(&{{0}}context, &{{1}}work)"
        return _filled(name, objects, once, told, selftest)
    arguments = [*model.facts["inputs"], *model.facts["outputs"]]
    objects = [f"static {name}_{model.context} {{0}}context;"]
    objects += [f"static {name.upper()}_ALIGNED {a['element']}_t {{0}}{a['argument']}[{a['size']}];" for a in arguments]
    buffers = ", ".join(f"{{0}}{a['argument']}" for a in arguments)
    once = [
        f"{name}_{model.start}(&{{0}}context);",
        *(f"{{0}}{a['argument']}[0] = 1;" for a in model.facts["inputs"]),
        f"{name}_{model.run}(&{{0}}context, {buffers});",
    ]
    told = f'printf("{name}: %ld\\n", (long){model.facts["outputs"][0]["argument"]}[0]);'
    found = _filled(name, objects, once, told, f"{name}_selftest(&{{0}}context, {buffers}, &{{1}}work)")
    if model.kind == "fusion":
        found["bare_objects"] += f"\nstatic {name}_t {name}_filter;"
        found["bare_once"] += f"\n{_fusion_once(name, f'{name}_filter')}"
    return found


def _fusion_once(name: str, filter_name: str) -> str:
    upper = name.upper()
    return f"""\
    {{
        static const float still[3] = {{0.0f, 0.0f, 9.81f}}, no_turn[3] = {{0.0f, 0.0f, 0.0f}};
        static float ranges[{upper}_ANCHORS];
        static {name}_fused_t fused;
        {name}_init(&{filter_name}, 0.45f, 0.0f);
        {name}_imu(&{filter_name}, 0, still, no_turn);
        for (uint32_t i = 0; i < {upper}_ANCHORS; i++) {{
            ranges[i] = 3.0f;
        }}
        {name}_ranges(&{filter_name}, 100000, ranges, &fused);
    }}"""


def _filled(name: str, objects: Sequence[str], once: Sequence[str], told: str, selftest: str) -> dict[str, str]:
    def lines(texts: Sequence[str], indent: int, prefix: str) -> str:
        return "\n".join(" " * indent + text.format(prefix, prefix) for text in texts)

    own = f"{name}_"
    return {
        "objects": lines(objects, 8, ""),
        "once": lines([*once, told], 8, ""),
        "selftest": selftest.format("", ""),
        "bare_objects": lines(objects, 0, own),
        "bare_once": lines(once, 4, own),
        "bare_selftest": selftest.format(own, own),
    }


def board_values(board: Board) -> dict[str, Any]:
    """What the linker script of a board needs. Fixed words at the end of the flash are cut off it."""
    flash = next(memory for memory in board.memory if memory.access == "rx")
    ram = next(memory for memory in board.memory if memory.access != "rx")
    end = flash.base + flash.size
    tail = next((block for block in board.fixed if block.base + block.size == end), None)
    regions = [
        ("FLASH", "rx", hex(flash.base), hex((tail.base if tail else end) - flash.base)),
        ("RAM", "rwx", hex(ram.base), hex(ram.size)),
    ]
    outside = []
    if tail and not tail.blank:
        outside.append(tail.name)
        regions.append((f"FIXED_{tail.name.upper()}", "r", hex(tail.base), hex(tail.size)))
    inside = [(block.name, hex(block.base)) for block in board.fixed if block is not tail and not block.blank]
    return {
        "name": board.name,
        "title": board.title,
        "part": board.part,
        "flags": board.build.flags,
        "regions": regions,
        "inside": inside,
        "outside": outside,
        "stack_bytes": max(board.build.stack_bytes, LEAST_STACK),
    }


def fixed_values(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Words that some of the boards want in their flash, for startup.c."""

    def value(board: Board, block: FixedWords) -> dict[str, Any]:
        return {
            "macro": f"BOARD_{board.name.upper()}",
            "title": board.title,
            "name": block.name,
            "words": [f"0x{word:08X}u" for word in block.words],
        }

    return [value(board, block) for board in boards for block in board.fixed if not block.blank]
