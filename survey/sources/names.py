"""A source from the text of an option or of the page: PORT, bluetooth, or FILE.csv."""

from pathlib import Path

from tinyloc.device.link.serial_port import ports_here
from tinyloc.names import printable
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.sources.bluetooth import BluetoothSource
from tinyloc.survey.sources.replay import ReplaySource
from tinyloc.survey.sources.serial_source import SerialSource
from tinyloc.survey.sources.source import Source

BLUETOOTH = "bluetooth"
DEFAULT_BAUD = 115200
FASTEST = 100_000.0


def make_source(text: str, baud: int = DEFAULT_BAUD, speed: float = 1.0) -> Source:
    """Make a source.

    Args:
        text: "bluetooth", a file of readings, a session's directory, or a serial port that is there now.
        baud: Of a serial port.
        speed: Of a replay; 0 is as fast as possible.

    Raises:
        SurveyError: The text names nothing that is there.
    """
    if text == BLUETOOTH:
        return BluetoothSource()
    path = Path(text)
    if path.suffix.lower() == ".csv" or path.is_dir() or path.is_file():
        if not 0 <= speed <= FASTEST:
            raise SurveyError(f"a speed of {speed:g}; it must be 0 (as fast as possible) to {FASTEST:g}")
        return ReplaySource(path / "readings.csv" if path.is_dir() else path, speed)
    if not 1200 <= baud <= 4_000_000:
        raise SurveyError(f"{baud} baud; it must be 1200 to 4000000")
    if not path.exists() and text not in ports_here():
        ports = ", ".join(ports_here()) or "none"
        raise SurveyError(
            f"{printable(text, 100)}: no such port or file; ports here: {ports}. Connect the scanner first, or name "
            "a .csv file, a session's directory, or bluetooth"
        )
    return SerialSource(text, baud)
