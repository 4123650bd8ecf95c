"""Updatable programs: the same answers as the reference, one program for all models of an architecture."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.codegen.arithmetic.data_mode import OutsideProgramError, lift, number, numbers_are_data
from tinyloc.codegen.arithmetic.scalar import clamped, scaled_doubled, scaled_product
from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.compile import compile_for
from tinyloc.codegen.compile import compile_bundle, updatable_localiser, write_generated
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.source import Source, read_source
from tinyloc.codegen.manifest import read_manifest
from tinyloc.codegen.updatable.capacity import Capacity, filled_up
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.evaluation.measure_bundle import shorten
from tinyloc.device.image.build import build_firmware
from tinyloc.device.zoo.models import golden_readings, load_card, names, unpack
from tinyloc.paths import FIRMWARE_DIR, ZOO_DIR

SCANS = 12


def _with_room(model: str, access_points: int | None, classes: int | None) -> Source:
    source = read_source(ZOO_DIR / model, load_card(model).arithmetic)
    build = source.bundle.build.model_copy(update={"most_access_points": access_points, "most_classes": classes})
    return dataclasses.replace(source, bundle=source.bundle.model_copy(update={"build": build}))


@pytest.mark.parametrize(
    ("model", "access_points", "classes"),
    [
        ("house-a", 16, 12),  # attention, int8, CRF
        ("ble-flat", None, None),  # Mamba, 16x8
        ("ble-tracks", 12, 40),  # GRU, positions
        ("uji", 470, 64),  # a sparse first layer
    ],
)
def test_every_answer_equals_the_reference(
    model: str, access_points: int | None, classes: int | None, tmp_path: Path
) -> None:
    source = _with_room(model, access_points, classes)
    files, manifest = updatable_localiser(source)
    write_generated(tmp_path / "generated", files, manifest)
    device, reference = (
        HostLocaliser(tmp_path / "generated"),
        LocaliserReference(ZOO_DIR / model, source.model.arithmetic),
    )
    for row in golden_readings(source.bundle, 5)[:SCANS]:
        heard = np.flatnonzero(row != 127)
        found, expected = device.sample(heard, row[heard]), reference.sample(heard, row[heard])
        assert found.scores.tolist() == expected.scores.tolist()
        assert found.class_index == expected.class_index


def test_three_homes_of_other_access_points_and_rooms_are_one_program() -> None:
    made = [updatable_localiser(_with_room(model, 16, 12))[1] for model in ("house-a", "house-c", "house-d")]
    assert len({manifest.updatable.program_id for manifest in made if manifest.updatable}) == 1
    assert len({manifest.model_id for manifest in made}) == 3
    assert len({(manifest.inputs, manifest.classes) for manifest in made}) == 3
    other = updatable_localiser(_with_room("house-a", 17, 12))[1]
    assert other.updatable and made[0].updatable and other.updatable.program_id != made[0].updatable.program_id


def test_other_weights_give_the_same_program(tmp_path: Path) -> None:
    made = []
    for seed in (7, 8, 9):
        small_bundle(tmp_path / f"bundle{seed}", seed=seed)
        made.append(compile_bundle(tmp_path / f"bundle{seed}", tmp_path / f"generated{seed}", updatable=True).updatable)
    assert made[0] is not None and made[0] == made[1] == made[2]
    assert read_manifest(tmp_path / "generated7").updatable == made[0]
    code = [(tmp_path / f"generated{seed}" / "model.c").read_text() for seed in (7, 8, 9)]
    assert code[0] == code[1] == code[2]


def test_a_slot_has_the_names_of_its_classes(tmp_path: Path) -> None:
    source = _with_room("house-a", 16, 12)
    rooms = ("kitchen", "Küche" * 5, "", "x" * 30)
    outputs = source.bundle.outputs.model_copy(update={"classes": list(rooms)})
    bundle = source.bundle.model_copy(update={"outputs": outputs})
    files, manifest = updatable_localiser(dataclasses.replace(source, bundle=bundle))
    write_generated(tmp_path, files, manifest)
    (tmp_path / "names.c").write_text(
        '#include <stdio.h>\n#include "model.h"\nint main(void) {\n'
        "    for (int i = 0; i < TL_CLASSES; i++) puts((const char *)tl_class_names + 24 * i);\n    return 0;\n}\n"
    )
    command = ["cc", "-std=c11", f"-I{tmp_path}", f"-I{FIRMWARE_DIR}", f"-I{FIRMWARE_DIR / 'kernels'}"]
    command += [str(tmp_path / name) for name in ("names.c", "weights.c")]
    subprocess.run([*command, "-o", str(tmp_path / "names")], check=True)
    shown = subprocess.run([tmp_path / "names"], capture_output=True, check=True).stdout.decode().split("\n")[:12]
    assert shown == ["kitchen", "Küche" * 3 + "Küch", "", "x" * 23] + [""] * 8


def test_a_recipe_may_ask_for_it_and_other_kernels_refuse(tmp_path: Path) -> None:
    from tinyloc.bundle.schema import read_bundle, write_bundle

    bundle = small_bundle(tmp_path / "bundle")
    asked = read_bundle(bundle)
    write_bundle(asked.model_copy(update={"build": asked.build.model_copy(update={"updatable": True})}), bundle)
    assert compile_for("native", bundle, tmp_path / "generated").updatable is not None
    with pytest.raises(BackendError, match="only native kernels"):
        compile_for("tflm", bundle, tmp_path / "other")


def test_marked_numbers_become_an_array() -> None:
    assert number(5) == "5"
    with numbers_are_data():
        text = f"const tl_x_t x = {{{number(-3)}, {number(7)}}};"
        lines, numbers = lift([text, "static const int y = 1;", f"f({text[-3:-2]});"], "numbers")
    assert lines[:2] == ("const int32_t *const n = numbers;", "const tl_x_t x = {n[0], n[1]};")
    assert lines[2] == "const int y = 1;"
    assert numbers == (-3, 7)


@pytest.mark.parametrize("shift", [2, 3, 4, 16, 31])
def test_the_sum_of_a_scan_is_narrowed_as_the_specification_says(shift: int, tmp_path: Path) -> None:
    limit = 2**30 - 1
    edges = [limit << shift, -(limit << shift), -(1 << (shift + 30)), 1 << (shift + 30), 0, -1, 2**42, -(2**42)]
    sums = sorted({edge + more for edge in edges for more in (-(2**32), -(1 << shift), -1, 0, 1, 1 << shift, 2**32)})
    rows = ",".join(f"INT64_C({value})" for value in sums)
    (tmp_path / "sums.c").write_text(
        f'#include <stdio.h>\n#define TL_UPDATABLE 1\n#include "tl_selective_scan.h"\nint main(void) {{\n'
        f"    static const int64_t sums[] = {{{rows}}};\n    for (int i = 0; i < {len(sums)}; i++)\n"
        f'        printf("%d\\n", (int)tl_scan_narrowed(sums[i], {shift}));\n    return 0;\n}}\n'
    )
    command = ["cc", "-std=c11", f"-I{FIRMWARE_DIR / 'kernels'}", str(tmp_path / "sums.c")]
    subprocess.run([*command, "-o", str(tmp_path / "sums")], check=True)
    found = subprocess.run([tmp_path / "sums"], capture_output=True, check=True, text=True).stdout.split()
    assert [int(value) for value in found] == [min(max(value >> shift, -limit), limit) for value in sums]


def test_what_a_form_cannot_honour_is_refused_with_its_figure() -> None:
    with numbers_are_data():
        with pytest.raises(OutsideProgramError, match=r"scaled by 0\.75; it must be below 1/2"):
            scaled_product(("a", (-255, 255)), ("b", (-255, 255)), 3 << 29, 0)
        with pytest.raises(OutsideProgramError, match=r"a sum is scaled by 1\.5"):
            scaled_doubled("2 * x", "x", 3 << 29, 1)
        with pytest.raises(OutsideProgramError, match="bounds 0 and 127 without an activation"):
            clamped("x", 0, 0, 127)
        with pytest.raises(OutsideProgramError, match="does not fit 32 bits"):
            number(1 << 31)


def test_room_for_more_needs_layers_that_can_be_filled_up() -> None:
    source = read_source(ZOO_DIR / "house-a")
    wide = filled_up(source.graph, Capacity(16, 12))
    assert wide.tensors[wide.inputs[0]].size == 16 and wide.tensors[wide.outputs[0]].size == 12
    moved = dataclasses.replace(source.graph, outputs=source.graph.inputs)
    with pytest.raises(CompileError, match="more classes need FULLY_CONNECTED as the last layer"):
        filled_up(moved, Capacity(8, 12))


def test_four_bit_factors_beyond_the_program_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="weights of 4 bits are often too large: export 8 bits"):
        compile_bundle(ZOO_DIR / "uji-16", tmp_path / "generated", "mixed", updatable=True)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32l4", "aducm3029"])
@pytest.mark.parametrize("model", [name for name in names() if name != "uji-16"])  # refused, see above
def test_cycles_of_numbers_that_are_data(model: str, board: str, tmp_path: Path) -> None:
    card, part = load_card(model), load_board(board)
    unpack(model, tmp_path / "run")
    shorten(tmp_path / "run" / "bundle", tmp_path / "bundle", 60)
    cycles = []
    for updatable in (False, True):
        generated = tmp_path / f"generated{updatable}"
        compile_bundle(tmp_path / "bundle", generated, card.arithmetic, updatable=updatable)
        image = build_firmware(generated, part, tmp_path / f"image{updatable}", card.optimise)
        found = evaluate(
            tmp_path / "bundle", generated, image, part, EmulatedDevice(image.elf, part),
            host=HostLocaliser(generated), measured=0,
        )  # fmt: skip
        assert found.mismatches == 0 and found.cycles is not None
        cycles.append(found.cycles.median)
    assert cycles[1] / cycles[0] - 1 <= 0.10
