"""Model -> code, by the back end's name."""

from pathlib import Path

from tinyloc.bundle.schema import Arithmetic, read_bundle
from tinyloc.codegen.backend_names import Backend, BackendError
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
    updatable: bool = False,
) -> Manifest:
    """Write the generated code of a bundle's model for a back end into `output`, replacing it as a whole.

    `reference` as in source.py; tflm has its own arithmetic. `updatable` code, which the recipe may ask for as well, is
    there for native kernels only.

    Raises BackendError when the back end is not installed or cannot run the model; BundleError, CompileError.
    """
    updatable = updatable or read_bundle(bundle).build.updatable
    if updatable and backend != "native":
        raise BackendError(f"--updatable with --backend {backend}: only native kernels take their model as data")
    if backend == "tflm":
        return compile_tflm(bundle, output, arithmetic)
    library = find_cmsis_nn() if backend == "cmsis_nn" else None
    return compile_bundle(bundle, output, arithmetic, library=library, reference=reference, updatable=updatable)
