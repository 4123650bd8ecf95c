"""Renode's keywords, as far as renode/*.robot uses them, over tinyloc's own emulator.

With it Robot Framework runs the very files that Renode will run. The cycle counter counts instructions, as Renode's.
"""

import re
from pathlib import Path

from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice


def _unescaped(path: str) -> str:
    """A path of the monitor's: a bare space would end it."""
    return path.replace("\\ ", " ")


class stand_in:  # Robot Framework looks for a class named as the file
    ROBOT_LIBRARY_SCOPE = "TEST"

    def __init__(self) -> None:
        self._device: EmulatedDevice | None = None
        self._pending = b""
        self._capture: Path | None = None
        self._log = False

    def execute_command(self, command: str) -> None:
        if script := re.fullmatch(r"include @((?:\\ |\S)+)/(\w+)\.resc", command):
            image = Path(_unescaped(script[1])) / "firmware.elf"
            self._device = EmulatedDevice(image, load_board(script[2]), measure=True)
            machine = self._device.machine
            machine.cycles = lambda: machine._free_cycles + machine.profiler.instructions
        elif capture := re.fullmatch(r"sysbus\.uart CreateFileBackend @((?:\\ |\S)+) true", command):
            self._capture = Path(_unescaped(capture[1]))
            self._capture.open("xb").close()  # Renode makes a new file too
        elif byte := re.fullmatch(r"sysbus\.uart WriteChar 0x([0-9A-F]{2})", command):
            self._pending += bytes([int(byte[1], 16)])
        elif re.fullmatch(r'emulation RunFor "[0-9.]+"', command):
            assert self._device is not None and self._capture is not None
            if self._pending:
                self._device.write(self._pending)
                self._pending = b""
            with self._capture.open("ab") as file:
                file.write(self._device.read(0))
        else:
            raise AssertionError(f"no command of Renode's that is used here: {command}")

    def create_log_tester(self, timeout: str) -> None:
        float(timeout)
        self._log = True

    def should_not_be_in_log(self, pattern: str, treatAsRegex: str = "false") -> None:
        assert self._log and treatAsRegex == "true"
        re.compile(pattern)
