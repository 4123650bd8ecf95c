"""What a back end adds to an image: headers and archive of the user's build of its library."""

from tinyloc.boards import Board
from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.archive import Archive
from tinyloc.codegen.backends.cmsis_nn.library import VARIABLE, find_cmsis_nn
from tinyloc.codegen.backends.tflm.harness import find_tflm
from tinyloc.codegen.manifest import ModelManifest
from tinyloc.device.image.build import Extras

CPP_LIBRARIES = ("-lstdc++_nano", "-lm", "-lc_nano")
"""Of newlib, the small ones: what the interpreter calls. No system calls, so that a heap would not link."""
TFLM_STACK_BYTES = 4096
"""The least stack of an image with the interpreter, whose start-up goes deeper than any kernel of ours."""


def extras_of(generated: ModelManifest, board: Board) -> Extras:
    """Find what to build generated code with: headers and libraries of its back end.

    Raises:
        BackendError: the library is missing or does not fit the code.
    """
    if generated.backend == "cmsis_nn":
        library = find_cmsis_nn()
        check_library(library.archive, generated, board, VARIABLE)
        return Extras(("-isystem", str(library.headers)), (str(library.archive.path),))
    if generated.backend == "tflm":
        tflm = find_tflm()
        archive = tflm.archive_for(board.core)
        headers = tuple(option for path in tflm.headers for option in ("-isystem", str(path)))
        libraries = (str(archive.path), *CPP_LIBRARIES)
        return Extras(("-DTF_LITE_STATIC_MEMORY", *headers), libraries, TFLM_STACK_BYTES)
    return Extras()


def check_library(archive: Archive, generated: ModelManifest, board: Board, variable: str) -> None:
    """Check that an archive is for the board's core, and the one that the code was generated for.

    Raises:
        BackendError: it is not; `variable` names the environment variable to set.
    """
    problems = []
    if not archive.runs_on(board.core):
        problems.append(
            f"{archive.path} is for {archive.core}, {board.name} has a {board.core}: set {variable} to a build with "
            f"{' '.join(board.build.flags)}"
        )
    if generated.library is not None and generated.library.sha256 != archive.sha256:
        problems.append(
            f"the generated code belongs to another {archive.path.name} ({generated.library.core}), whose buffers "
            f"may differ: run `tinyloc codegen --backend {generated.backend}` again with this archive"
        )
    if problems:
        raise BackendError("; ".join(problems))
