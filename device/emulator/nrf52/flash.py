"""Flash controller of the nRF52. Offsets and reset values: Nordic's nrf52840.svd and nrf52.svd."""

from tinyloc.device.emulator.peripherals import RegisterFile, named


def nvmc() -> RegisterFile:
    """NVMC, with the switch of the instruction cache. Writing to the flash is not modelled."""
    table = named("400 READY 1 0\n504 CONFIG 0 0\n540 ICACHECNF 0 101\n548 IHIT\n54c IMISS")
    return RegisterFile("NVMC", 0x4001_E000, table, 0x1000)
