"""Facts of a microcontroller: `parts/<name>.toml`, validated here. A board names its part.

A fact is what the silicon has, whatever a board makes of it: memories, UARTs with the pins that reach them,
oscillators, limits. Emulator and `tinyloc board check` read them. A second part of a family needs such a file, no
code.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from tinyloc import paths
from tinyloc.errors import UserError
from tinyloc.names import FileName, Line, Symbol
from tinyloc.strict import Strict, problems

Core = Literal["cortex-m3", "cortex-m4f"]
Address = Annotated[int, Field(ge=0, lt=1 << 32)]
Word = Annotated[int, Field(ge=0, lt=1 << 32)]
Hertz = Annotated[int, Field(gt=0, le=2_000_000_000)]

_PIN = re.compile(r"P(?P<letter>[A-K])(?P<a>\d{1,2})|P(?P<port>\d)\.(?P<b>\d{1,2})|DIO(?P<c>\d{1,2})")
_RANGE = re.compile(r"(.*?)(\d+)-(\d+)")


class BoardError(UserError):
    """A board or part that does not exist or whose file is wrong; the message says what to do."""


@lru_cache(maxsize=256)
def pin_place(name: str) -> tuple[int, int]:
    """Port and number of a pin: PA2 is (0, 2), P1.04 is (1, 4), DIO3 is (0, 3). Raises ValueError."""
    found = _PIN.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no pin; write it as PA2, P0.06 or DIO3")
    port = ord(found["letter"]) - ord("A") if found["letter"] else int(found["port"] or 0)
    return port, int(found["a"] or found["b"] or found["c"])


def _pin(text: str) -> str:
    pin_place(text)
    return text


def pins_of(text: str) -> list[str]:
    """Names in a text such as "PA0-2 PH3": PA0, PA1, PA2, PH3. Raises ValueError."""
    names: list[str] = []
    for word in text.split():
        found = _RANGE.fullmatch(word)
        if found is None:
            names.append(_pin(word))
            continue
        first, last = int(found[2]), int(found[3])
        if not first <= last < 64:
            raise ValueError(f"{word!r} is no range of pins")
        names += [_pin(f"{found[1]}{number:0{len(found[2])}}") for number in range(first, last + 1)]
    return names


def _pins(text: str) -> str:
    pins_of(text)
    return text


def _pin_or_any(text: str) -> str:
    return text if text == ANY_PIN else _pin(text)


ANY_PIN = "*"
"""Stands for every pin of the package."""
PinName = Annotated[str, AfterValidator(_pin)]
PinOrAny = Annotated[str, AfterValidator(_pin_or_any)]
Pins = Annotated[str, AfterValidator(_pins)]


class Block(Strict):
    """[[memory]]: a range of addresses that answers as memory."""

    name: Line
    """Name in messages."""
    base: Address
    """First address."""
    size: int = Field(gt=0, le=1 << 32)
    """Bytes."""
    kind: Literal["flash", "ram"]
    """What it is made of."""
    same_as: Line | None = None
    """Name of the block of which this is a second window."""


class UartFacts(Strict):
    """[uart.NAME]: one serial port. "*" stands for any pin."""

    base: Address
    """Address of its registers."""
    tx: dict[PinOrAny, int] = Field(default_factory=dict)
    """Pins for its output, each with the number of the alternate function."""
    rx: dict[PinOrAny, int] = Field(default_factory=dict)
    """Pins for its input, each with the number of the alternate function."""

    def function(self, signal: str, pin: str) -> int | None:
        """Number of the alternate function that makes a pin the UART's tx or rx; None when the pin cannot be."""
        able = self.tx if signal == "tx" else self.rx
        return able.get(pin, able.get(ANY_PIN))

    def able(self, signal: str) -> str:
        """The pins that can be tx or rx, for a message."""
        pins = self.tx if signal == "tx" else self.rx
        return "any pin" if ANY_PIN in pins else ", ".join(pins) or "no pin"


class PartFacts(Strict):
    """A microcontroller: what its silicon has."""

    name: FileName
    """Name of the part; the file is called so."""
    family: FileName
    """Port in firmware/port and emulator model in device/emulator that serve this part."""
    flash_page: int | None = Field(default=None, gt=0, le=1 << 20)
    """Bytes of the smallest part of the flash that can be erased; none: no updates of the model."""
    core: Core
    """Core of the part."""
    source: Line
    """Where the facts come from, and what is not verified."""
    max_hz: Hertz
    """Highest clock of the core in Hz."""
    reset_hz: Hertz
    """Clock of the core in Hz after reset."""
    oscillators: dict[Symbol, Hertz]
    """Sources of the core's clock with their rates in Hz."""
    wait_state_limits_hz: list[Hertz] = Field(default_factory=list)
    """Highest core clock in Hz for 0, 1, 2, ... wait states of the flash. Empty: the part has no such setting."""
    memory: list[Block] = Field(min_length=1)
    uart: dict[Symbol, UartFacts]
    pins: Pins = ""
    """Pins of the package, such as "PA0-15 PB0-1". Empty: the part has no pins (virtual boards)."""
    registers: dict[Line, Word] = Field(default_factory=dict)
    """Registers that hold another value after reset than the family's model has, as "PERIPHERAL.REGISTER"."""
    absent: list[Line] = Field(default_factory=list)
    """Registers of the family's model that this part lacks, as "PERIPHERAL.REGISTER"."""
    ports: list[Symbol] = Field(default_factory=list)
    """GPIO ports of the part, where a family's parts differ in them."""

    @property
    def pin_names(self) -> list[str]:
        """Every pin of the package."""
        return pins_of(self.pins)


def part_file_names() -> dict[str, list[Path]]:
    """Files of each part in all directories of boards, by the part's name."""
    found: dict[str, list[Path]] = {}
    for directory in paths.boards_directories():
        for path in sorted((directory / "parts").glob("*.toml")):
            found.setdefault(path.stem, []).append(path)
    return found


def load_part(name: str) -> PartFacts:
    """Read and validate `parts/<name>.toml`.

    Raises:
        BoardError: There is none, there are two, or keys are wrong (all are named).
    """
    files = part_file_names()
    if name not in files:
        raise BoardError(
            f"unknown part {name!r}; known parts: {', '.join(sorted(files))}. `tinyloc board new` writes the file of a "
            "new part"
        )
    path = only_place(name, files[name], "parts")
    facts = read_toml(path, PartFacts, "part")
    if facts.name != name:
        raise BoardError(f"{path}: name is {facts.name!r}, the file says {name!r}; make them equal")
    return facts


def only_place(name: str, places: list[Path], what: str) -> Path:
    """Give the one file of that name; `what` is a plural. Raises BoardError when there are several, naming all."""
    if len(places) > 1:
        raise BoardError(
            f"two {what} are called {name!r}: {' and '.join(str(place) for place in places)}; rename or remove one"
        )
    return places[0]


_Schema = TypeVar("_Schema", bound=Strict)


def read_toml(path: Path, schema: type[_Schema], whole: str) -> _Schema:
    """Read a file of a schema. Raises BoardError with the path and every wrong key."""
    try:
        return schema.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise BoardError(f"{path}: {'; '.join(problems(error, whole))}") from error
