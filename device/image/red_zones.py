"""A checked image: red zones before and behind the arena and the state, which the emulator lets nothing write to.

The code is that of the plain image; the linker scripts leave room around both buffers.
"""

from pathlib import Path

from tinyloc import paths
from tinyloc.boards import Board

BUFFERS = ("tl_arena", "tl_localiser")
"""Variables of the application that are fenced: the arena, and the localiser with its state."""
ZONE_BYTES = 32
PREFIX = "__red_zone_"
"""Symbols of the zones: this, `before_` or `behind_`, and the buffer."""
REST = "*(.bss .bss.* COMMON)"
"""What takes all other variables in boards/common/cortex_m.ld."""


def checked_scripts(board: Board, directory: Path) -> Path:
    """Write the linker scripts of a checked image into a directory; gives the board's."""
    script = board.directory / board.build.linker_script
    own = script.read_text(encoding="utf-8")
    common = (paths.BOARDS_DIR / "common" / "cortex_m.ld").read_text(encoding="utf-8")
    for buffer in BUFFERS:
        place = f"*(.bss.{buffer})"
        if place in own:
            own = own.replace(place, _fenced(buffer))
        else:
            common = common.replace(REST, f"{_fenced(buffer)}\n    {REST}")
    (directory / "cortex_m.ld").write_text(common, encoding="utf-8", newline="\n")
    path = directory / f"checked_{script.name}"
    path.write_text(own, encoding="utf-8", newline="\n")
    return path


def _fenced(buffer: str) -> str:
    before, behind = (f"{PREFIX}{side}_{buffer} = .; . += {ZONE_BYTES};" for side in ("before", "behind"))
    return f". = ALIGN(8); {before} *(.bss.{buffer}) {behind}"
