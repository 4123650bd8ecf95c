"""Boards in emulation: Unicorn, the board's exact memory map, modelled peripherals and cycles.

docs/concepts/emulator.md says what is modelled.
"""

from tinyloc.device.emulator.crash import CrashSite, EmulatorCrash
from tinyloc.device.emulator.device import EmulatedDevice
from tinyloc.device.emulator.image import ImageError
from tinyloc.device.emulator.machine import Machine

__all__ = ["CrashSite", "EmulatedDevice", "EmulatorCrash", "ImageError", "Machine"]
