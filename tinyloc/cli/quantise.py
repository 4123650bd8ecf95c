"""`tinyloc quantise`: a float network of your own to an integer .tflite file."""

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from tinyloc.cli.console import say
from tinyloc.cli.network_options import StateOption, state_pairs
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.errors import UserError

DEFAULT_WIDTHS = ["*=w8a8"]


def quantise(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float32 .tflite file, or an .onnx file.")],
    calibration: Annotated[
        Path,
        typer.Option("--calibration", metavar="FILE", help="An .npz file: an array (samples, ...) for each input."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The integer .tflite file (default: MODEL_quantised.tflite here)."),
    ] = None,
    widths: Annotated[
        list[str] | None,
        typer.Option(
            "--widths",
            metavar="PATTERN=WIDTH",
            help="Bits of weights and activations by layer, such as '*=w8a8' or 'blocks.*.scan=w8a16'; once "
            "per pattern. "
            "The last match counts.",
        ),
    ] = None,
    state: StateOption = None,
    json: JsonOption = None,
) -> None:
    """Quantise a float network, and show the signal-to-noise ratio of every layer."""
    from dataclasses import asdict

    from tinyloc.export.quantise.signal import table
    from tinyloc.export.quantise_file import quantise_file
    from tinyloc.files import write_whole

    done = quantise_file(model, calibration, _table(widths or DEFAULT_WIDTHS), state_pairs(state))
    out = out or Path(f"{model.stem}_quantised.tflite")
    write_whole(out, done.content)
    say(table(done.layers))
    for output in done.outputs:
        say(f"output {output.name}: {output.decibels:.1f} dB; the largest value agrees in {output.same_largest:.2%}")
    if done.refined:
        say(f"note: {done.refined} on calibration samples kept apart")
    if done.constant:
        say(f"note: constant over the calibration data, so their scales may not fit: {', '.join(done.constant)}")
    say(f"{out}: {len(done.content):,} bytes")
    write_json(
        json,
        {
            "bytes": len(done.content),
            "layers": [_finite(asdict(layer)) for layer in done.layers],
            "outputs": [_finite(asdict(output)) for output in done.outputs],
            "constant": done.constant,
            "refined": done.refined,
        },
    )


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Replace infinity by null, because JSON has none."""
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row.items()}


def _table(given: list[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in given]
    if wrong := [text for text, (pattern, _, width) in zip(given, pairs, strict=True) if not pattern or not width]:
        raise UserError(f"--widths {', '.join(wrong)}: give PATTERN=WIDTH, such as 'blocks.*.scan=w8a16'")
    return {pattern: width for pattern, _, width in pairs}
