"""The constants of a model as a device holds them: weights.c, compiled for the core and taken out of the object."""

import subprocess
import tempfile
from pathlib import Path

from tinyloc import paths
from tinyloc.boards import Board
from tinyloc.codegen.manifest import Manifest
from tinyloc.device.image.build import find_compiler
from tinyloc.device.update.slot import UpdateError

SECTION = ".rodata.tl_first_constants"


def constants_of(generated: Path, manifest: Manifest, board: Board) -> bytes:
    """Compile the constants of generated code.

    Raises:
        UpdateError: they do not compile, or have another size than the manifest says.
    """
    compiler = find_compiler()
    with tempfile.TemporaryDirectory(prefix="tinyloc-constants-") as name:
        work = Path(name)
        command = [
            compiler, "-std=c11", "-ffreestanding", "-Os", "-fdata-sections", *board.build.flags, "-DTL_UPDATE",
            f"-I{generated}", f"-I{paths.FIRMWARE_DIR}", f"-I{paths.FIRMWARE_DIR / 'kernels'}",
            "-c", str(generated / "weights.c"), "-o", str(work / "weights.o"),
        ]  # fmt: skip
        objcopy = str(Path(compiler).with_name("arm-none-eabi-objcopy"))
        for step in (command, [objcopy, "-O", "binary", "-j", SECTION, "weights.o", "weights.bin"]):
            done = subprocess.run(step, cwd=work, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UpdateError(f"{generated}/weights.c: the constants do not compile:\n{done.stderr[:2000]}")
        content = (work / "weights.bin").read_bytes()
    assert manifest.updatable is not None
    if len(content) != manifest.updatable.bytes:
        raise UpdateError(
            f"{generated}: {len(content):,} bytes of constants, the manifest says {manifest.updatable.bytes:,}; "
            "run `tinyloc codegen --updatable` again"
        )
    return content
