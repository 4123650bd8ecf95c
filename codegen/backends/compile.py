"""Model -> code, by the back end's name."""

from pathlib import Path

from tinyloc.bundle.schema import Arithmetic
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.backends.cmsis_nn.library import find_cmsis_nn
from tinyloc.codegen.backends.tflm.harness import compile_tflm
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.manifest import Manifest, Reference


def compile_for(
    backend: Backend,
    bundle: Path,
    output: Path,
    arithmetic: Arithmetic | None = None,
    reference: Reference | None = None,
) -> Manifest:
    """Write the generated code of a bundle's model for a back end into `output`, replacing it as a whole.

    `reference` as in source.py; tflm has its own arithmetic.

    Raises BackendError when the back end is not installed or cannot run the model; BundleError, CompileError.
    """
    if backend == "tflm":
        return compile_tflm(bundle, output, arithmetic)
    library = find_cmsis_nn() if backend == "cmsis_nn" else None
    return compile_bundle(bundle, output, arithmetic, library=library, reference=reference)
