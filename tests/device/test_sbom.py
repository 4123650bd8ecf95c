"""The bill of materials of an image: valid CycloneDX, the same each time, and whole."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tinyloc.device.image.sbom import ARCHIVES, linked_members
from tinyloc.main import main
from tinyloc.zoo import __file__ as zoo

needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
LONG_DIVISION = "long long a, b; void _start(void) { a = a / b; }"


@needs_compiler
def test_the_document_of_an_image_is_valid_and_the_same_each_time(tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    run = tmp_path / "runs" / "movementaal"
    shutil.copytree(Path(zoo).parent / "movementaal", run / "bundle")
    where = [str(run), "--runs-dir", str(tmp_path / "runs")]
    for command in ("codegen", "build"):
        assert main([command, *where]) == 0
    texts = []
    for name in ("one.json", "two.json"):
        assert main(["sbom", *where, "--output", str(tmp_path / name)]) == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(texts[0]) is None
    document = json.loads(texts[0])
    build = json.loads((run / "firmware" / "stm32l4" / "build.json").read_text())
    firmware = document["metadata"]["component"]
    assert firmware["hashes"] == [{"alg": "SHA-256", "content": build["elf_sha256"]}]
    parts = {part["name"]: part for part in document["components"]}
    about = {entry["name"]: entry["value"] for entry in parts["movementaal"]["properties"]}
    bundle = json.loads((run / "bundle" / "bundle.json").read_text())
    assert about["tinyloc:data-licence"] == bundle["data"]["licence"]
    assert parts["tinyloc"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]


@needs_compiler
def test_members_of_archives_are_read_from_the_linkers_own_map(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(LONG_DIVISION)
    core = ["-mcpu=cortex-m3", "-mthumb"]
    link = ["-nostdlib", "a.c", "-lgcc", "-Wl,-Map=a.map", "-o", "a.elf"]
    subprocess.run(["arm-none-eabi-gcc", *core, *link], cwd=tmp_path, check=True)
    taken = linked_members((tmp_path / "a.map").read_text())
    assert list(taken) == ["libgcc.a"]
    assert "_aeabi_ldivmod.o" in taken["libgcc.a"]
    assert "libgcc.a" in ARCHIVES


def test_an_image_without_archives_has_none() -> None:
    assert linked_members("\nDiscarded input sections\n\n .text 0x0 firmware/app/app.o\n") == {}
