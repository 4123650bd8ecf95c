"""Lines that are on disk before anybody sees them.

Each line is one `write` to a file opened for appending: when the call returns, the line survives the end of this
process, whatever ends it (kill -9, a crash, a closed terminal). `sync` makes the lines survive a power cut; the
recorder calls it once a second and at the end of a session. A line that a crash or a full disk cut is dropped when the
file is opened again: it was never shown.
"""

import os
from pathlib import Path
from types import TracebackType

TAIL_BYTES = 1 << 16


class AppendLog:
    """A text file of whole lines. Raises OSError when the disk is full; the line is not in the file then."""

    def __init__(self, path: Path, header: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.mended_bytes = self._drop_cut_line()
        self._end = os.lseek(self._file, 0, os.SEEK_END)
        self._dirty = False
        if not self._end and header:
            self.append(header + "\n")

    def append(self, line: str) -> None:
        """Append one line, with its newline."""
        data = line.encode()
        try:
            written = os.write(self._file, data)
            if written < len(data):  # a nearly full disk takes a part
                written += os.write(self._file, data[written:])
            if written < len(data):
                raise OSError(28, "No space left on device", str(self.path))
        except OSError as error:
            os.ftruncate(self._file, self._end)
            error.filename = str(self.path)
            raise
        self._end += len(data)
        self._dirty = True

    def sync(self) -> None:
        """Put what was appended on the disk itself."""
        if self._dirty:
            self._dirty = False
            os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        os.close(self._file)

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drop_cut_line(self) -> int:
        """Remove what follows the last newline; how many bytes."""
        end = os.lseek(self._file, 0, os.SEEK_END)
        start = max(0, end - TAIL_BYTES)
        tail = os.pread(self._file, end - start, start)
        cut = len(tail) - (tail.rfind(b"\n") + 1)
        if cut:
            os.ftruncate(self._file, end - cut)
        return cut
