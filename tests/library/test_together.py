"""Three models of the zoo and the fusion in one C++17 program: the answers of each alone, each kernel once."""

import re
import subprocess

import numpy as np
import pytest

from tests.library.made import fusion_model, linked, objects, output_of, written, zoo_model
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.paths import ZOO_DIR

MODELS = ("uji", "ble-flat", "house-a")
SCANS = 24


def _scans(model: str) -> list[tuple[np.ndarray, np.ndarray]]:
    points = len(zoo_model(model).facts["access_points"])
    generator = np.random.default_rng(7)
    scans = []
    for _ in range(SCANS):
        indices = np.sort(generator.choice(points, generator.integers(0, min(points, 12) + 1), replace=False))
        scans.append((indices.astype(np.uint16), generator.integers(-100, -30, len(indices)).astype(np.int8)))
    return scans


def _localiser(name: str, model: str) -> str:
    """C++ that prints class and scores of every scan."""
    scans = _scans(model)
    readings = ", ".join(f"{{{i}, {d}}}" for indices, dbm in scans for i, d in zip(indices, dbm, strict=True))
    counts = ", ".join(str(len(indices)) for indices, _ in scans)
    return f"""
    {{
        static {name}_t context;
        static const {name}_reading_t readings[] = {{{readings}}};
        static const uint16_t counts[] = {{{counts}}};
        {name}_init(&context);
        const {name}_reading_t *next = readings;
        for (uint16_t count : counts) {{
            {name}_estimate_t estimate;
            if ({name}_sample(&context, next, count, &estimate) != {name.upper()}_OK) return 1;
            next += count;
            std::printf("{name} %ld", static_cast<long>(estimate.class_index));
            for (int score : estimate.scores) std::printf(" %d", score);
            std::printf("\\n");
        }}
    }}"""


WALK = """
    {
        static walk_t filter;
        walk_init(&filter, 0.45f, 0.3f);
        uint32_t time = 0;
        for (int step = 0; step < 400; step++, time += 10000) {
            const float swing = static_cast<float>(step % 50) / 25.0f;
            const float up = 8.8f + (swing < 1.0f ? swing : 2.0f - swing) * 2.0f;
            const float acceleration[3] = {0.2f, 0.1f, up}, rate[3] = {0.0f, 0.0f, 0.05f};
            walk_imu(&filter, time, acceleration, rate);
            if (step % 10 == 9) {
                float ranges[WALK_ANCHORS];
                for (int i = 0; i < WALK_ANCHORS; i++) ranges[i] = 4.0f + 0.01f * static_cast<float>(step + 30 * i);
                walk_fused_t fused;
                walk_ranges(&filter, time, ranges, &fused);
                const double x = static_cast<double>(fused.x), y = static_cast<double>(fused.y);
                std::printf("walk %d %a %a\\n", fused.valid, x, y);
            }
        }
    }"""


def _program(names: list[str]) -> str:
    parts = {name.replace("-", "_"): _localiser(name.replace("-", "_"), name) for name in names if name != "walk"}
    body = "".join(parts.values()) + (WALK if "walk" in names else "")
    headers = [*parts, *(["walk"] if "walk" in names else [])]
    return (
        "#include <cstdio>\n"
        + "".join(f'#include "{h}.h"\n' for h in headers)
        + f"int main()\n{{{body}\n    return 0;\n}}\n"
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program of all, of libraries written apart: two of them together, two alone."""
    work = tmp_path_factory.mktemp("together")
    groups = [[zoo_model("uji"), zoo_model("ble-flat")], [zoo_model("house-a")], [fusion_model()]]
    libraries = [written(work, group) for group in groups]
    parts = [part for n, library in enumerate(libraries) for part in objects(library, work / f"o{n}")]
    (work / "all.cpp").write_text(_program([*MODELS, "walk"]))
    return linked(work / "all.cpp", work, libraries, parts), libraries, work


def test_answers_equal_the_references(program):
    lines = output_of(program[0]).splitlines()
    for model in MODELS:
        name = model.replace("-", "_")
        reference = LocaliserReference(ZOO_DIR / model)
        expected = []
        for indices, dbm in _scans(model):
            answer = reference.sample(indices, dbm)
            expected.append(f"{name} {answer.class_index} {' '.join(map(str, answer.scores))}")
        assert [line for line in lines if line.startswith(f"{name} ")] == expected


def test_the_fusion_answers_as_alone(program):
    binary, libraries, work = program
    (work / "alone.cpp").write_text(_program(["walk"]))
    alone = linked(work / "alone.cpp", work, [libraries[2]], objects(libraries[2], work / "alone_objects"))
    told = output_of(alone).splitlines()
    assert len(told) == 40 and len(set(told)) > 20
    assert [line for line in output_of(binary).splitlines() if line.startswith("walk")] == told


def test_each_shared_kernel_stands_once(program):
    table = subprocess.run(["nm", "-S", str(program[0])], capture_output=True, text=True, check=True).stdout
    kernels = re.findall(r"^[0-9a-f]+ [0-9a-f]+ W (tl_\w+)$", table, re.M)
    assert len(kernels) == len(set(kernels)) > 3
    assert any(kernel.startswith("tl_fully_connected_s16_") for kernel in kernels)  # of ble-flat and of the student
