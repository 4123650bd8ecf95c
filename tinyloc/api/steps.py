"""The steps from a bundle to an image in a run directory, which `codegen`, `build` and models of the zoo share."""

from pathlib import Path
from typing import TYPE_CHECKING

from tinyloc.api.run_layout import NATIVE, RunLayout
from tinyloc.errors import UserError, counted

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.codegen.manifest import Manifest
    from tinyloc.device.image.build import BuildResult
    from tinyloc.device.image.footprint_record import Flash


def generate(
    layout: RunLayout,
    arithmetic: str | None,
    backend: str = NATIVE,
    reference: str | None = None,
    updatable: bool = False,
) -> "tuple[Path, Manifest]":
    """Compile the bundle of a run to C.

    Args:
        layout: The run.
        arithmetic: "int8" or "int16x8"; None takes the bundle's default.
        backend: Kernels that the code calls.
        reference: "tinyloc" or "litert"; None takes that of the recipe.
        updatable: Keep the model as data; the recipe may ask for it, too.

    Returns:
        The directory of the code, and its manifest.
    """
    form = layout.arithmetic(arithmetic)

    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.codegen.backends.compile import compile_for
    from tinyloc.codegen.frontend.source import reference_named

    kernels = backend_named(backend)
    out = layout.generated(form, kernels)
    return out, compile_for(kernels, layout.bundle, out, form, reference_named(reference), updatable)


def generated_line(path: Path, manifest: "Manifest") -> str:
    """Describe generated code in one line."""
    macs = sum(layer.macs for layer in manifest.layers)
    return (
        f"{path}: {counted(len(manifest.layers), 'layer')}, {macs:,} MACs; {manifest.constant_bytes:,} bytes "
        f"of constants, {manifest.arena_bytes:,} of arena, {manifest.state_bytes:,} of state"
    )


def build_image(
    layout: RunLayout,
    board: "Board",
    arithmetic: str | None,
    level: str | None = None,
    backend: str = NATIVE,
    debug_layers: bool = False,
    key: Path | None = None,
    model_version: int = 1,
    link_key: Path | None = None,
) -> "tuple[BuildResult, Flash]":
    """Build the image of a run for a board.

    Args:
        layout: The run; its code must exist.
        board: The board.
        arithmetic: As for `generate`.
        level: "Os" or "O2"; None takes that of the recipe.
        backend: As for `generate`.
        debug_layers: Build the image that sends a checksum of every layer.
        key: File with the key of updates; None: an image that takes none.
        model_version: Version of the model, of which updates must be ahead.
        link_key: File with the key of the link; None: an image that asks for no tags.

    Returns:
        The image, and how its flash is used.

    Raises:
        UserError: the recipe asks for a key of the link, and none is given.
    """
    from tinyloc.bundle.schema import read_bundle
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.codegen.manifest import read_manifest
    from tinyloc.device.image.backends import extras_of
    from tinyloc.device.image.build import build_firmware
    from tinyloc.device.image.footprint import measure_flash
    from tinyloc.device.link.key import read_key

    if link_key is None and read_bundle(layout.need(layout.bundle, "export")).build.link_key:
        raise UserError(
            f"{layout.path.name}: the recipe asks for tags on the link ([build] link_key = true) and there is no key; "
            "run `tinyloc build` with --link-key FILE, or set TINYLOC_LINK_KEY=FILE. "
            "`head -c 32 /dev/urandom > link.key` makes a key"
        )
    kernels = backend_named(backend)
    generated = layout.need_generated(arithmetic, kernels)
    out = layout.firmware(board.name, kernels, debug_layers)
    extras = extras_of(read_manifest(generated), board)
    update = None
    if key is not None:
        from tinyloc.device.update.image import updatable_image

        update = updatable_image(generated, board, read_key(key), model_version)
    result = build_firmware(
        generated, board, out, layout.optimise(level), debug_layers=debug_layers, extras=extras, update=update,
        link_key=None if link_key is None else read_key(link_key),
    )  # fmt: skip
    return result, measure_flash(result.elf, result.map)


def image_line(result: "BuildResult", flash: "Flash") -> str:
    """Describe an image in one line."""
    return (
        f"{result.elf}: {result.sizes.flash:,} bytes of flash ({flash.weights:,} weights, {flash.kernels:,} kernels), "
        f"{result.sizes.static_ram:,} bytes of RAM and {result.sizes.stack_reserve:,} reserved for the stack"
    )
