"""Boards as data: one directory a board, `board.toml` validated here."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from tinyloc import paths
from tinyloc.boards.parts import Address, BoardError, Core, PartFacts, PinName, Word, load_part, only_place, read_toml
from tinyloc.names import FileName, Line, OptionalLine, Symbol
from tinyloc.strict import Strict

__all__ = [
    "Alias", "Board", "BoardError", "Budget", "Clock", "Core", "Energy", "FixedWords", "Flash", "FlashTool", "Memory",
    "PartFacts", "Pin", "Uart", "board_names", "broken_boards", "load_board", "part_names",
]  # fmt: skip


class Clock(Strict):
    """Clock of the core."""

    source: Symbol
    """Oscillator that the clock is made from, as the part's facts name it."""
    hz: int = Field(gt=0, le=2_000_000_000)
    """Clock in Hz at which the firmware runs; the port sets it."""
    flash_wait_states: int = Field(ge=0, le=255)
    """Core cycles beyond one that a read of the flash takes at `hz`."""


class FlashCache(Strict):
    """Cache between core and flash."""

    width_bytes: int = Field(gt=0, le=1024)
    """Bytes of one read of the flash."""
    code_bytes: int = Field(ge=0, le=1 << 24)
    """Bytes of the cache for code; 0: no cache."""
    data_bytes: int = Field(ge=0, le=1 << 24)
    """Bytes of the cache for data; 0: no cache."""
    source: Line
    """Where the figures come from, and what is not verified."""


class Build(Strict):
    """Options for compiling and linking the image."""

    flags: list[Line]
    """Flags of the C compiler: core, instruction set, floating point."""
    linker_script: FileName
    """File next to board.toml."""
    stack_bytes: int = Field(gt=0, le=1 << 24)
    """Bytes reserved for the stack. The report counts the used part."""


class Memory(Strict):
    """A block of memory."""

    name: Symbol
    """"flash", "ram", or another name that the linker script uses."""
    base: Address
    """First address."""
    size: int = Field(gt=0, le=1 << 32)
    """Bytes."""
    access: Literal["rx", "rw", "rwx"]
    """Read, write and execute rights."""


class Alias(Strict):
    """A second address range of the same memory."""

    name: Line
    """Name in messages."""
    base: Address
    """First address of the second range."""
    of: Address
    """First address of the memory."""
    size: int = Field(gt=0, le=1 << 32)
    """Bytes."""


class FixedWords(Strict):
    """32-bit words that the part needs at a fixed place of the flash.

    The build writes them into the image. Emulator and flasher refuse an image without them. Words that are all
    0xFFFFFFFF stay blank: the image may put nothing there.
    """

    name: Symbol
    """Name of the section in the linker script."""
    base: Address
    """Address of the first word."""
    words: list[Word] = Field(min_length=1)
    """Their values."""
    why: Line
    """Failure when these words are missing."""

    @property
    def size(self) -> int:
        """Bytes."""
        return 4 * len(self.words)

    @property
    def content(self) -> bytes:
        """As they lie in the flash."""
        return b"".join(word.to_bytes(4, "little") for word in self.words)

    @property
    def blank(self) -> bool:
        """Nothing is written there."""
        return all(word == 0xFFFF_FFFF for word in self.words)


class Pin(Strict):
    """A pin that carries a signal of the UART."""

    pin: PinName
    """Name of the pin: PA2, P0.06, DIO3."""
    function: int = Field(default=0, ge=0, le=255)
    """Number of the pin's alternate function; 0 where the part has none."""


class Uart(Strict):
    """Serial port of the link (docs/reference/link.md): 8 data bits, no parity, 1 stop bit."""

    name: Line
    """Name with its pins."""
    instance: Symbol
    """The UART, as the part's facts name it."""
    tx: Pin | None = None
    """Output: `{ pin = "PA2", function = 7 }`. Missing on virtual boards, which have no pins."""
    rx: Pin | None = None
    """Input."""
    baud: int = Field(gt=0, le=100_000_000)
    """Rate in bit/s after reset."""
    max_baud: int = Field(gt=0, le=100_000_000)
    """Highest rate in bit/s that the host may ask for."""
    usb_ids: list[Line] = Field(default_factory=list)
    """USB ids of the board's serial adapter, as vendor:product in hexadecimal."""


class StudyEnergy(Strict):
    """Current that arXiv 2412.09289 assumes."""

    run_ma: float = Field(gt=0, le=10_000)
    """Current in mA while the core runs."""
    hz: int = Field(gt=0, le=2_000_000_000)
    """Clock in Hz at which the part draws that current."""


class Energy(Strict):
    """Currents of the part."""

    volts: float = Field(gt=0, le=50)
    """Supply voltage of the currents below."""
    run_ma_per_mhz: float = Field(gt=0, le=1000)
    """Current in mA per MHz of clock while the core runs."""
    sleep_ua: float = Field(ge=0, le=1e6)
    """Current in µA asleep with RAM kept."""
    wake_us: float | None = Field(default=None, ge=0, le=1e7)
    """Time in µs from the timer's event to the first instruction. Without it, the port has no sleep."""
    awake_hz: int | None = Field(default=None, gt=0, le=2_000_000_000)
    """Clock in Hz between two sleeps; required with `wake_us`."""
    dcdc: bool = False
    """The currents count on the part's DC/DC converter, whose inductor the board has; the port switches it on."""
    source: Line
    """Where the figures come from, and what is not verified."""
    date: Line
    """Year and month of the look-up."""
    study: StudyEnergy | None = None


class Budget(Strict):
    """Limits of a localiser on this board."""

    flash_bytes: int = Field(gt=0, le=1 << 32)
    """Bytes of flash of the whole image."""
    ram_bytes: int = Field(gt=0, le=1 << 32)
    """Bytes of RAM, with the used stack."""
    latency_ms: float = Field(gt=0, le=1e9)
    """Milliseconds from sample to answer."""


class FlashTool(Strict):
    """A program that writes an image to the board."""

    tool: FileName
    """Name for `tinyloc flash --tool`."""
    command: list[Line] = Field(min_length=1)
    """Command line. `{elf}` and `{bin}` stand for the files of the build. `["copy", "{bin}", LABEL]` copies the file to
    the mounted drive with that label."""
    note: OptionalLine = ""
    """What the user must do by hand."""


class Flash(FlashTool):
    """The default tool."""

    other: list[FlashTool] = Field(default_factory=list)
    """Other tools."""

    @property
    def tools(self) -> dict[str, FlashTool]:
        """All tools by name, the preferred one first."""
        return {tool.tool: tool for tool in (self, *self.other)}


class Board(Strict):
    """A board: facts for build, emulator, budget check and flasher."""

    name: FileName
    """Name of the directory."""
    title: Line
    """Name in reports."""
    part: FileName
    """Microcontroller; parts/<part>.toml has its facts."""
    core: Core
    """Core of the microcontroller."""
    clock: Clock
    flash_cache: FlashCache | None = None
    build: Build
    memory: list[Memory]
    alias: list[Alias] = Field(default_factory=list)
    fixed: list[FixedWords] = Field(default_factory=list)
    uart: Uart
    energy: Energy | None = None
    budget: Budget
    flash: Flash | None = None

    @property
    def virtual(self) -> bool:
        """There is no such part: it runs in the emulator only, and nothing can be written to it."""
        return self.flash is None

    @property
    def flash_tools(self) -> dict[str, FlashTool]:
        """What can write an image to the board, by name, the preferred one first; nothing when it is virtual."""
        return self.flash.tools if self.flash is not None else {}

    @property
    def ram(self) -> list[Memory]:
        """The memories that data is placed in; no array crosses from one to the next."""
        return [memory for memory in self.memory if "w" in memory.access]

    @property
    def directory(self) -> Path:
        """Where board.toml and the linker script lie."""
        return _board_file(self.name).parent

    @property
    def facts(self) -> PartFacts:
        """What the part's silicon has. Raises BoardError when its file is missing or wrong."""
        return load_part(self.part)

    @property
    def uart_base(self) -> int:
        """Address of the registers of the board's UART. Raises BoardError when the part has no such UART."""
        facts = self.facts
        if self.uart.instance not in facts.uart:
            raise BoardError(
                f"board {self.name}: a {facts.name} has no UART called {self.uart.instance!r}; "
                f"it has {', '.join(facts.uart)}"
            )
        return facts.uart[self.uart.instance].base

    def region(self, name: str) -> Memory:
        """The memory of that name; KeyError when the board has none."""
        for memory in self.memory:
            if memory.name == name:
                return memory
        raise KeyError(f"board {self.name} has no memory called {name!r}")


def board_names() -> list[str]:
    """Names of all boards that have a board.toml, sorted: those of ./boards, $TINYLOC_BOARDS and the package."""
    return sorted(paths.board_files())


def broken_boards() -> dict[str, str]:
    """Boards that cannot be used yet, with the reason."""
    broken = {}
    for name in board_names():
        try:
            load_board(name)
        except BoardError as error:
            broken[name] = str(error)
    return broken


def part_names() -> list[str]:
    """Names of the boards that exist as hardware, sorted: all but the virtual and the unfinished ones."""
    broken = broken_boards()
    return [name for name in board_names() if name not in broken and not load_board(name).virtual]


def _board_file(name: str) -> Path:
    files = paths.board_files()
    if name not in files:
        raise BoardError(
            f"unknown board {name!r}; known boards: {', '.join(sorted(files))}; `tinyloc board new` makes one"
        )
    return only_place(name, files[name], "boards")


def load_board(name: str) -> Board:
    """Read and validate the board.toml of a board.

    Raises:
        BoardError: There is none (the known ones are named), there are two, or keys are wrong (all are named).
    """
    path = _board_file(name)
    board = read_toml(path, Board, "board")
    if board.name != name:
        raise BoardError(f"{path}: name is {board.name!r}, its directory {name!r}; make them equal")
    return board
