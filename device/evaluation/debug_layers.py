"""Where a device begins to differ from the host: the checksum of every layer, sample by sample, until one differs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.bundle.schema import load_bundle, load_test_set
from tinyloc.codegen.manifest import read_manifest
from tinyloc.codegen.verify.layer_checks import Check, LayerReference
from tinyloc.device.evaluation.evaluate import check_device, check_generated
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.transport import Transport
from tinyloc.errors import UserError, counted

HOW_TO_BUILD = "build (and `flash`) the firmware again with `tinyloc build --debug-layers`"


class DebugError(UserError):
    """The device's image does not tell its layers."""


@dataclass(frozen=True)
class Comparison:
    """What was compared, and the first check that differed."""

    samples: int  # compared, the differing one included
    layers: int  # of the generated code
    sample: int | None  # index of the one that differs; None when all are equal
    first: Check | None  # the first check that differs in it, the host's
    found: int  # the device's checksum there
    later: tuple[str, ...]  # names of the further checks that differ, which the first may have caused

    @property
    def equal(self) -> bool:
        return self.first is None

    def text(self) -> str:
        """One paragraph for a person."""
        if self.first is None:
            return f"All {counted(self.layers, 'layer')} equal the host in {counted(self.samples, 'sample')}."
        what = f" ({', '.join(self.first.operators)})" if self.first.operators else ""
        lines = [
            f"Sample {self.sample}: the first different layer is {self.first.name}{what}.",
            f"  It writes {'; '.join(self.first.tensors)}.",
            f"  CRC-32 on the device {self.found:08x}, on the host {self.first.checksum:08x}.",
            f"  Equal: the {self.samples - 1:,} samples before, and all earlier layers of this sample.",
        ]
        if self.later:
            lines.append(f"  Also different: {', '.join(self.later)}.")
        return "\n".join(lines)


def compare_layers(
    bundle_dir: Path,
    generated_dir: Path,
    board: Board,
    transport: Transport,
    progress: Callable[[int, int], None] = lambda done, total: None,
    timeout: float = 0.5,
    link_key: SharedKey | None = None,
) -> Comparison:
    """Run the test set until a layer differs from the NumPy integer reference.

    Raises DebugError when the image was built without checksums; EvaluationError, LinkError, BundleError,
    ManifestError as the evaluation does.
    """
    bundle = load_bundle(bundle_dir)
    test_set = load_test_set(bundle_dir, bundle)
    generated = read_manifest(generated_dir)
    arithmetic = check_generated(generated, bundle, generated_dir)
    client = DeviceClient(transport, timeout=timeout, key=link_key)
    hello = client.hello()
    check_device(hello, generated, bundle, board, transport.name)
    if not hello.checks_layers:
        raise DebugError(f"{transport.name}: the image does not send checksums of its layers; {HOW_TO_BUILD}")
    reference = LayerReference(bundle_dir, arithmetic, generated)
    layers, total = len(generated.layers), len(test_set.label)
    for recording in test_set.recordings():
        reference.reset()
        client.reset()
        for index in range(recording.start, recording.stop):
            scan = test_set.sparse(index)
            expected = reference.sample(*scan)
            client.sample(*scan)
            found = client.layers()
            if len(found) != len(expected):
                raise DebugError(
                    f"{transport.name}: the image sends {len(found)} checksums, the generated code has "
                    f"{len(expected)}; {HOW_TO_BUILD}"
                )
            wrong = [i for i, (check, value) in enumerate(zip(expected, found, strict=True)) if check.checksum != value]
            if wrong:
                later = tuple(expected[i].name for i in wrong[1:])
                return Comparison(index + 1, layers, index, expected[wrong[0]], found[wrong[0]], later)
            progress(index + 1, total)
    return Comparison(total, layers, None, None, 0, ())
