"""(being built)"""
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyloc.export.network.description import Description


def new_bundle(
    network: str, about: "Description", folder: Path, directory: Path, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Make the bundle of a network, and let the compiler say what it refuses."""
    from tinyloc.export.network.make import given_network, network_bundle
    from tinyloc.export.network.samples import from_files

    samples = from_files(about, folder)
    return network_bundle(given_network(network, about, folder), about, samples, directory, tell, compilable)


def compilable(directory: Path) -> None:
    """Raise CompileError with everything that the compiler refuses in any form of a bundle."""
    from tinyloc.bundle.schema import load_bundle
    from tinyloc.codegen.frontend.source import read_source

    for model in load_bundle(directory).models:
        read_source(directory, model.arithmetic)
