"""What the emulator reports when the firmware does something the real part would not survive."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CrashSite:
    """Where it happened. `chain` is the call chain, innermost first, as far as it is known."""

    reason: str
    function: str
    pc: int
    instruction: str
    registers: dict[str, int] = field(default_factory=dict)
    chain: tuple[str, ...] = ()

    def text(self) -> str:
        """One sentence, then the call chain and the registers."""
        lines = [f"firmware crashed in {self.function} at {self.pc:#010x}: {self.reason}", f"  {self.instruction}"]
        if self.chain:
            lines.append("  called by " + " < ".join(self.chain))
        names = list(self.registers)
        for start in range(0, len(names), 4):
            row = names[start : start + 4]
            lines.append("  " + "  ".join(f"{name:>4} {self.registers[name]:#010x}" for name in row))
        return "\n".join(lines)


class EmulatorCrash(RuntimeError):
    """The firmware crashed in the emulator. Not an error of the user: `site` says where and why."""

    def __init__(self, site: CrashSite) -> None:
        super().__init__(site.text())
        self.site = site
