"""Clock, power and access port protection of the nRF52, which share one page. Source: Nordic's SVD files."""

from tinyloc.device.emulator.peripherals import BadAccess, RegisterFile, named

CRYSTAL, RUNNING = 1, 1 << 16
PIN_RESET, WATCHDOG_RESET, SOFTWARE_RESET = 1, 2, 4
"""Bits of RESETREAS; none is set after power-on."""


class ClockPower(RegisterFile):
    """CLOCK, POWER and APPROTECT. The core runs on 64 MHz from reset; tasks start the crystals at once."""

    def __init__(self) -> None:
        self.cause = 0
        table = named("""
            000 TASKS_HFCLKSTART
            004 TASKS_HFCLKSTOP
            008 TASKS_LFCLKSTART
            00c TASKS_LFCLKSTOP
            100 EVENTS_HFCLKSTARTED
            104 EVENTS_LFCLKSTARTED
            10c EVENTS_DONE
            110 EVENTS_CTTO
            304 INTENSET
            308 INTENCLR
            400 RESETREAS
            408 HFCLKRUN 0 0
            40c HFCLKSTAT 0 0
            414 LFCLKRUN 0 0
            418 LFCLKSTAT 0 0
            41c LFCLKSRCCOPY 0 0
            428 RAMSTATUS f 0
            500 SYSTEMOFF
            510 POFCON
            518 LFCLKSRC 0 3
            51c GPREGRET
            520 GPREGRET2
            538 CTIV 0 7f
            550 FORCEPROTECT ffffffff
            558 APPROTECT_DISABLE
            578 DCDCEN 0 1
            580 DCDCEN0 0 1
            ee4 RAM_TRIM
        """)
        super().__init__("CLOCK and POWER", 0x4000_0000, table, 0x1000)

    def reset(self) -> None:
        reasons = self.values.get("RESETREAS", 0) if self.cause else 0
        super().reset()
        self.values["RESETREAS"] = reasons | self.cause  # flags stay until they are cleared

    @property
    def on_crystal(self) -> bool:
        """The clock comes from the crystal."""
        return bool(self.values["HFCLKSTAT"] & CRYSTAL)

    def on_write(self, name: str, value: int) -> int:
        if name.startswith("TASKS_"):
            self._task(name, value)
            return 0
        if name == "RESETREAS":  # write one to clear
            return self.values[name] & ~value
        if name == "INTENSET" and value:
            raise BadAccess("CLOCK interrupt enabled; the emulator takes no interrupts; the firmware must poll")
        if name == "SYSTEMOFF" and value & 1:
            raise BadAccess("System OFF: only a pin or a reset wakes the part, and none will come")
        return value

    def _task(self, name: str, value: int) -> None:
        if not value & 1:
            return
        clock, start = name[6:11], name.endswith("START")
        source = CRYSTAL if clock == "HFCLK" else self.values["LFCLKSRC"]
        self.values[f"{clock}STAT"] = RUNNING | source if start else 0
        self.values[f"{clock}RUN"] = int(start)
        if start:
            self.values[f"EVENTS_{clock}STARTED"] = 1
