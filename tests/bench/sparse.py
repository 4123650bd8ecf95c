"""What the sparse first layer is worth: its cycles on the test set's scans beside the same layer compiled dense."""

import tempfile
from pathlib import Path

from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.image.build import Optimise, build_firmware

MEASURED = 100


def first_layer_cycles(bundle: Path, board_name: str, optimise: Optimise, *, sparse: bool) -> float:
    """Median modelled cycles a scan of the first layer; the answers are compared with the host's on the way."""
    board = load_board(board_name)
    with tempfile.TemporaryDirectory() as directory:
        generated = Path(directory) / "generated"
        compile_bundle(bundle, generated, sparse_input=sparse)
        build = build_firmware(generated, board, Path(directory) / "firmware", optimise)
        found = evaluate(bundle, generated, build, board, EmulatedDevice(build.elf, board), measured=MEASURED)
    if found.mismatches or found.layers[0].cycles is None:
        raise SystemExit(f"{bundle} on {board_name}: {found.mismatches} answers differ from the host's")
    return found.layers[0].cycles


def gain(bundle: Path, board: str, optimise: Optimise) -> dict[str, float | str]:
    """Both forms and their ratio."""
    sparse = first_layer_cycles(bundle, board, optimise, sparse=True)
    dense = first_layer_cycles(bundle, board, optimise, sparse=False)
    return {"board": board, "sparse_cycles": sparse, "dense_cycles": dense, "ratio": dense / sparse}
