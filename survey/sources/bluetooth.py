"""The Bluetooth radio of this computer, by bleak (extra `bluetooth`). Hears advertisements; connects to nothing."""

import asyncio
import threading
from typing import Any

from tinyloc.survey.errors import SurveyError
from tinyloc.survey.readings import STRONGEST_DBM, WEAKEST_DBM, Reading
from tinyloc.survey.sources.source import Sink

LOOK_S = 0.1
AGAIN_S = 5.0


class BluetoothSource:
    """Readings from this computer's own radio. `scanner` exists for tests. SurveyError when bleak is not installed."""

    real_time = True
    name = "bluetooth"

    def __init__(self, scanner: Any = None) -> None:
        if scanner is None:
            try:
                from bleak import BleakScanner
            except ModuleNotFoundError as error:
                raise SurveyError(
                    "source bluetooth needs bleak: install it with `pip install bleak`, or connect a scanner and name "
                    "its port"
                ) from error
            scanner = BleakScanner
        self._scanner = scanner

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Scan until stopped; a radio that is switched off is tried again."""
        while not stop.is_set():
            try:
                asyncio.run(self._scan(sink, stop))
            except Exception as error:  # bleak raises many kinds, by operating system
                sink.state(self.name, "waiting", f"Bluetooth does not work: {error}; switch it on, or add a scanner")
                stop.wait(AGAIN_S)

    async def _scan(self, sink: Sink, stop: threading.Event) -> None:
        def heard(device: Any, advertisement: Any) -> None:
            level = int(advertisement.rssi)
            if WEAKEST_DBM < level <= STRONGEST_DBM:  # -127: the system does not know
                sink.take(Reading(None, str(device.address), level, self.name))

        async with self._scanner(detection_callback=heard):
            sink.state(self.name, "running")
            while not stop.is_set():
                await asyncio.sleep(LOOK_S)
