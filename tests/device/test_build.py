"""Building an image: what comes out, that it is the same everywhere, and what is said when it cannot be built."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.image import build as building
from tinyloc.device.image.build import BuildError, board_header, build_firmware, load_build, memory_script
from tinyloc.device.image.footprint import flash_bytes, static_ram_bytes
from tinyloc.device.link.key import SharedKey
from tinyloc.device.update.image import updatable_image

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"
BOARD = load_board("stm32l4")

needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture
def generated(tmp_path):
    """A copy of a generated model that a test may damage."""
    return Path(shutil.copytree(FIXTURES / "dense_int16", tmp_path / "generated"))


@needs_compiler
def test_a_build_is_complete_and_can_be_loaded(generated, tmp_path):
    out = tmp_path / "build"
    built = build_firmware(generated, BOARD, out)
    assert sorted(p.name for p in out.iterdir()) == [
        "build.json", "firmware.bin", "firmware.elf", "firmware.map", "stack.txt",
    ]  # fmt: skip
    assert load_build(out) == built
    assert built.sizes.flash == flash_bytes(built.elf) == built.bin.stat().st_size
    assert built.sizes.static_ram == static_ram_bytes(built.elf)
    record = json.loads((out / "build.json").read_text())
    assert (record["board"], record["optimise"], record["model_id"]) == ("stm32l4", "Os", "0123456789abcdef")
    assert record["compiler"].startswith("arm-none-eabi-gcc")


@needs_compiler
def test_the_same_image_wherever_the_sources_lie(generated, tmp_path):
    other = Path(shutil.copytree(generated, tmp_path / "some" / "other place" / "generated"))
    first = build_firmware(generated, BOARD, tmp_path / "a")
    second = build_firmware(other, BOARD, tmp_path / "deeper" / "b")
    assert first.elf.read_bytes() == second.elf.read_bytes()
    assert str(tmp_path).encode() not in first.elf.read_bytes()


@needs_compiler
def test_the_same_image_on_another_day(generated, tmp_path, monkeypatch):
    images = []
    for day in (1, 20_000):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400))  # gcc's date
        images.append(build_firmware(generated, BOARD, tmp_path / str(day)).elf.read_bytes())
    assert images[0] == images[1]


@needs_compiler
def test_the_same_image_with_keys_elsewhere_on_another_day(tmp_path, monkeypatch):
    images = []
    for day, place in ((1, "a"), (20_000, "some other/place")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400))
        folder = tmp_path / place
        compile_bundle(small_bundle(folder / "bundle", recurrent=False), folder / "generated", updatable=True)
        key = SharedKey(bytes(range(32)))
        update = updatable_image(folder / "generated", BOARD, key, 3)
        built = build_firmware(folder / "generated", BOARD, folder / "out", update=update, link_key=key)
        images.append((built.elf.read_bytes(), built.bin.read_bytes()))
    assert images[0] == images[1]
    assert str(tmp_path).encode() not in images[0][0]


@needs_compiler
def test_c_that_reads_the_date_is_refused(generated, tmp_path):
    source = generated / "model.c"
    source.write_text(source.read_text() + "\nextern const char built[]; const char built[] = __DATE__;\n")
    with pytest.raises(BuildError, match="__DATE__"):
        build_firmware(generated, BOARD, tmp_path / "out")


@needs_compiler
def test_optimisation_level_reaches_the_model(generated, tmp_path):
    small = build_firmware(generated, BOARD, tmp_path / "small", "Os")
    fast = build_firmware(generated, BOARD, tmp_path / "fast", "O2")
    assert small.elf.read_bytes() != fast.elf.read_bytes()


@needs_compiler
def test_a_new_build_replaces_the_old_one(generated, tmp_path):
    out = tmp_path / "build"
    before = build_firmware(FIXTURES / "sparse_int8", BOARD, out)
    after = build_firmware(generated, BOARD, out)
    assert before.elf == after.elf
    assert load_build(out).sizes == after.sizes != before.sizes


@needs_compiler
def test_c_that_does_not_compile_is_told_and_leaves_the_old_build(generated, tmp_path):
    out = tmp_path / "build"
    kept = build_firmware(generated, BOARD, out).elf.read_bytes()
    (generated / "model.c").write_text((generated / "model.c").read_text() + "\nint f(void) { return nothing; }\n")
    (generated / "weights.c").write_text("int8_t x = 300.5f;\n")
    with pytest.raises(BuildError, match=r"2 of \d+ files do not compile(?s:.)*nothing(?s:.)*int8_t"):
        build_firmware(generated, BOARD, out)
    assert load_build(out).elf.read_bytes() == kept


@needs_compiler
def test_warnings_are_errors(generated, tmp_path):
    (generated / "model.c").write_text(
        (generated / "model.c").read_text() + "\nint8_t g(int32_t x);\nint8_t g(int32_t x) { return x; }\n"
    )
    with pytest.raises(BuildError, match="-Werror=conversion"):
        build_firmware(generated, BOARD, tmp_path / "build")
    assert not (tmp_path / "build").exists()


@needs_compiler
@pytest.mark.parametrize(
    ("region", "size", "culprit"), [("flash", 3000, "tl_rssi_table"), ("ram", 2100, "tl_localiser")]
)
def test_an_image_that_does_not_fit_names_what_takes_the_space(generated, tmp_path, region, size, culprit):
    memory = [m.model_copy(update={"size": size}) if m.name == region else m for m in BOARD.memory]
    small = BOARD.model_copy(update={"memory": memory})
    with pytest.raises(BuildError) as caught:
        build_firmware(generated, small, tmp_path / "build")
    message = str(caught.value)
    assert re.search(rf"{region} \({size} bytes\) is exceeded by [1-9]\d* bytes", message)
    assert re.search(rf"\d+  {culprit}", message)
    assert not (tmp_path / "build").exists()


def test_missing_compiler_says_how_to_install_it(generated, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        build_firmware(generated, BOARD, tmp_path / "build")


@needs_compiler
def test_missing_generated_files_are_named_together(generated, tmp_path):
    (generated / "model.h").unlink()
    (generated / "weights.c").unlink()
    with pytest.raises(BuildError, match=r"model\.h, weights\.c missing.*tinyloc codegen"):
        build_firmware(generated, BOARD, tmp_path / "build")
    with pytest.raises(BuildError, match=r"model\.h, model\.c, weights\.c missing"):
        build_firmware(tmp_path / "nowhere", BOARD, tmp_path / "build")


@needs_compiler
def test_a_directory_with_other_files_is_not_replaced(generated, tmp_path):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter1.tex").write_text("...")
    with pytest.raises(BuildError, match="holds other files than a build"):
        build_firmware(generated, BOARD, precious)
    assert (precious / "chapter1.tex").read_text() == "..."


def test_no_build_to_load(tmp_path):
    with pytest.raises(BuildError, match="make it with `tinyloc build`"):
        load_build(tmp_path)


@needs_compiler
def test_a_damaged_build_is_told(generated, tmp_path):
    out = tmp_path / "build"
    build_firmware(generated, BOARD, out)
    record, image = (out / "build.json").read_bytes(), (out / "firmware.elf").read_bytes()
    for damaged in (b"", record[:100], b"[]", b"\xff\xfe", record.replace(b"static_ram", b"ram")):
        (out / "build.json").write_bytes(damaged)
        with pytest.raises(BuildError, match=r"build\.json: .*`tinyloc build`"):
            load_build(out)
    (out / "build.json").write_bytes(record)
    for changed in (image[:-20], image[:5000] + b"\x55" + image[5001:], b""):
        (out / "firmware.elf").write_bytes(changed)
        with pytest.raises(BuildError, match=r"firmware\.elf: damaged, or not the image.*`tinyloc build`"):
            load_build(out)
    (out / "firmware.elf").unlink()
    (out / "firmware.map").unlink()
    with pytest.raises(BuildError, match=r"firmware\.elf, firmware\.map missing.*`tinyloc build`"):
        load_build(out)


def test_a_port_without_sources_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "port_directory", lambda family: tmp_path / "port" / "z80")
    with pytest.raises(BuildError, match=r"no C files in .*port.z80"):
        building.firmware_sources(BOARD)


def test_facts_of_the_board_reach_c_and_linker():
    header = board_header(BOARD)
    assert "#define TL_CLOCK_HZ 80000000u" in header
    assert "#define TL_UART_BASE 0x40004400u" in header
    script = memory_script(BOARD)
    assert "FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 0x40000" in script
    assert "__stack_size = 2048;" in script
