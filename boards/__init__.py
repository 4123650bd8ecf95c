"""Boards as data: one directory a board, `board.toml` validated here."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from tinyloc import paths
from tinyloc.errors import UserError
from tinyloc.names import FileName, Line, OptionalLine, Symbol
from tinyloc.strict import Strict, problems

Core = Literal["cortex-m3", "cortex-m4f"]
Address = Annotated[int, Field(ge=0, lt=1 << 32)]
Word = Annotated[int, Field(ge=0, lt=1 << 32)]


class BoardError(UserError):
    """A board that does not exist or whose board.toml is wrong; the message says what to do."""


class Clock(Strict):
    """The core's clock."""

    hz: int = Field(gt=0)
    """That the firmware runs at, as the port sets it."""
    reset_hz: int = Field(gt=0)
    """That the part starts with."""
    flash_wait_states: int = Field(ge=0)
    """Core cycles that a read of the flash takes beyond one, at `hz`."""


class FlashCache(Strict):
    """What stands between core and flash: bytes of a read, bytes kept of code and of data; 0 is no cache."""

    width_bytes: int = Field(gt=0)
    code_bytes: int = Field(ge=0)
    data_bytes: int = Field(ge=0)
    source: Line
    """Where the figures stand, and what was not verified."""


class Build(Strict):
    """How the image is compiled and linked."""

    flags: list[Line]
    """Of the compiler: core, instruction set, floating point."""
    linker_script: FileName
    """A file next to board.toml."""
    port: FileName
    """A directory below firmware/port."""
    stack_bytes: int = Field(gt=0)
    """Reserved at the start of RAM; the report counts what was used of it."""


class Memory(Strict):
    """A block of memory in the address space, `size` bytes from `base`."""

    name: Symbol
    base: Address
    size: int = Field(gt=0)
    access: Literal["rx", "rw", "rwx"]


class Alias(Strict):
    """The memory at `of` seen a second time at `base`, `size` bytes of it."""

    name: Line
    base: Address
    of: Address
    size: int = Field(gt=0)


class FixedWords(Strict):
    """32-bit words that must stand at that place of the flash, or the part does not start or locks itself.

    The build writes them into the image, emulator and flasher refuse an image without them. Words that are all
    0xFFFFFFFF stay blank: the image may put nothing there.
    """

    name: Symbol
    base: Address
    words: list[Word] = Field(min_length=1)
    why: Line

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


class Uart(Strict):
    """The serial port that the link runs over (docs/link.md): 8 data bits, no parity, 1 stop bit."""

    name: Line
    model: FileName
    """The peripheral in device/emulator."""
    base: Address
    """Of its registers."""
    baud: int = Field(gt=0)
    """Bits a second after reset."""
    max_baud: int = Field(gt=0)
    """The most bits a second that the host may ask for."""
    usb_ids: list[Line] = Field(default_factory=list)
    """Of the board's serial adapter, as vendor:product in hexadecimal digits."""


class StudyEnergy(Strict):
    """The current in mA that the study (arXiv 2412.09289) assumes, and the clock in Hz that it fits."""

    run_ma: float = Field(gt=0)
    hz: int = Field(gt=0)


class Energy(Strict):
    """What the part draws at `volts`: mA for each MHz of clock while the core runs, µA asleep with RAM kept."""

    volts: float = Field(gt=0)
    run_ma_per_mhz: float = Field(gt=0)
    sleep_ua: float = Field(ge=0)
    wake_us: float | None = Field(default=None, ge=0)
    """From the timer's event to the first instruction, at the current of the clock `awake_hz`. None: the port has no
    sleep."""
    awake_hz: int | None = Field(default=None, gt=0)
    """The core's clock between two sleeps; needed with `wake_us`."""
    source: Line
    """Where the figures stand, and what was not verified."""
    date: Line
    """When they were looked up, year-month."""
    study: StudyEnergy | None = None


class Budget(Strict):
    """What a localiser may take: the whole image, all RAM with the used stack, milliseconds from sample to answer."""

    flash_bytes: int = Field(gt=0)
    ram_bytes: int = Field(gt=0)
    latency_ms: float = Field(gt=0)


class FlashTool(Strict):
    """A program that writes an image, and the command: `{elf}` and `{bin}` stand for the files of the build.

    Command `["copy", "{bin}", LABEL]` is no program: the file is copied to the mounted drive of that label.
    """

    tool: FileName
    command: list[Line] = Field(min_length=1)
    note: OptionalLine = ""


class Flash(FlashTool):
    """The tool to use when none is named, and what else can do it."""

    other: list[FlashTool] = Field(default_factory=list)

    @property
    def tools(self) -> dict[str, FlashTool]:
        """All tools by name, the preferred one first."""
        return {tool.tool: tool for tool in (self, *self.other)}


class Board(Strict):
    """What the build, the emulator, the budget check and the flasher know of a board."""

    name: FileName
    title: Line
    part: Line
    core: Core
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
        return paths.BOARDS_DIR / self.name

    def region(self, name: str) -> Memory:
        """The memory of that name; KeyError when the board has none."""
        for memory in self.memory:
            if memory.name == name:
                return memory
        raise KeyError(f"board {self.name} has no memory called {name!r}")


def board_names() -> list[str]:
    """Names of all boards that have a board.toml, sorted."""
    return sorted(path.parent.name for path in paths.BOARDS_DIR.glob("*/board.toml"))


def part_names() -> list[str]:
    """Names of the boards that exist as hardware, sorted: all but the virtual ones."""
    return [name for name in board_names() if not load_board(name).virtual]


def load_board(name: str) -> Board:
    """Read and validate `boards/<name>/board.toml`.

    Raises BoardError naming the known boards, or every wrong key at once.
    """
    path = paths.BOARDS_DIR / name / "board.toml"
    if name not in board_names():
        raise BoardError(f"unknown board {name!r}; known boards: {', '.join(board_names())}")
    try:
        return Board.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise BoardError(f"{path}: {'; '.join(problems(error, 'board'))}") from error
