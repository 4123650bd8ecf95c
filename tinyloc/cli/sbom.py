"""`tinyloc sbom`: the software bill of materials of a firmware image."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.console import say
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.cli.outputs import checked_output, write_output
from tinyloc.cli.runs import find_run


def sbom(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File to write; - is standard output. Default: sbom-BOARD.cdx.json in the run.",
            callback=checked_output,
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Write the software bill of materials of a built image (CycloneDX 1.6, JSON)."""
    from tinyloc.bundle.schema import load_bundle
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.codegen.manifest import read_manifest
    from tinyloc.device.image.build import load_build, read_record
    from tinyloc.device.image.sbom import firmware_sbom

    layout = find_run(run, runs_dir)
    kernels = backend_named(backend)
    firmware = layout.need_firmware(board, arithmetic, kernels)
    image = load_build(firmware)
    document = firmware_sbom(
        load_bundle(layout.bundle),
        read_manifest(layout.need_generated(arithmetic, kernels)),
        read_record(firmware),
        image.map.read_text(encoding="utf-8", errors="surrogateescape"),
    )
    path = out or layout.path / f"sbom-{firmware.name}.cdx.json"
    write_output(path, json.dumps(document, indent=2) + "\n")
    say(f"{path}: {len(document['components'])} components: " + ", ".join(c["name"] for c in document["components"]))
