"""Two models of one program on an emulated board: the old one is in the image, the new one comes by an update."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.small_bundle import small_bundle
from tinyloc.boards import Board, load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.image.build import BuildResult, build_firmware
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.frames import Hello
from tinyloc.device.link.key import SharedKey
from tinyloc.device.update.constants import constants_of
from tinyloc.device.update.image import updatable_image
from tinyloc.device.update.slot import make_header, program_of

KEY = SharedKey(bytes(range(32)))
OLD, NEW = 0, 1
SCANS = 3


@dataclass(frozen=True)
class TwoModels:
    """What a test needs of them on one board; index OLD or NEW."""

    board: str
    image: BuildResult
    headers: tuple[bytes, bytes]
    constants: tuple[bytes, bytes]
    model_ids: tuple[str, str]
    answers: tuple[list[list[int]], list[list[int]]]
    """Scores of the scans, by the integer reference."""
    scans: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]
    generated: tuple[Path, Path]
    found: Board

    def power_up(self) -> EmulatedDevice:
        """A device as it leaves the factory."""
        return EmulatedDevice(self.image.elf, load_board(self.board))

    def which(self, client: DeviceClient) -> int:
        """The model that answers: by its name and by the scores of all scans. Fails when the two differ."""
        hello: Hello = client.hello()
        assert hello.model_id in self.model_ids
        found = self.model_ids.index(hello.model_id)
        client.reset()
        assert client.hello().model_id == self.model_ids[found]  # a RESET without an update changes nothing
        for scan, expected in zip(self.scans, self.answers[found], strict=True):
            assert client.sample(*scan).scores.tolist() == expected
        return found


@functools.cache
def _place() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyloc-two-models-")


@functools.cache
def two_models(board: str, inputs: int = 9, hidden: int = 6, link_key: SharedKey | None = None) -> TwoModels:
    """Build them once a session."""
    found = load_board(board)
    place = Path(_place().name) / f"{board}-{inputs}-{hidden}{'' if link_key is None else '-tags'}"
    headers, constants, ids, answers = [], [], [], []
    scans: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    for number, version in ((OLD, 1), (NEW, 2)):
        bundle = small_bundle(place / f"bundle{number}", inputs=inputs, hidden=hidden, seed=7 + number)
        generated = place / f"generated{number}"
        manifest = compile_bundle(bundle, generated, updatable=True)
        content = constants_of(generated, manifest, found)
        headers.append(make_header(content, program_of(manifest, found), manifest.model_id, version, KEY))
        constants.append(content)
        ids.append(manifest.model_id)
        scans = scans or [load_test_set(bundle).sparse(i) for i in range(SCANS)]
        reference = LocaliserReference(bundle)
        answers.append([reference.sample(*scan).scores.tolist() for scan in scans])
    update = updatable_image(place / "generated0", found, KEY, 1)
    image = build_firmware(place / "generated0", found, place / "firmware", update=update, link_key=link_key)
    return TwoModels(
        board, image, (headers[0], headers[1]), (constants[0], constants[1]), (ids[0], ids[1]),
        (answers[0], answers[1]), [(np.asarray(i), np.asarray(d)) for i, d in scans],
        (place / "generated0", place / "generated1"), found,
    )  # fmt: skip
