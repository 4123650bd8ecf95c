"""The interface of a radio callback against the plain reference: any order, repetitions, unknown ids, silence."""

import json
import math
import shutil
import subprocess

import numpy as np
import pytest

from tests.library.made import linked, objects, output_of, written, zoo_model
from tinyloc.bundle.combine import Combine, combine_readings
from tinyloc.bundle.schema import load_bundle
from tinyloc.codegen.frontend.source import position_rule
from tinyloc.codegen.library.model import from_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.paths import ZOO_DIR


def _combined(readings: list[int], how: Combine) -> int:
    """As training combines them."""
    nowhere = np.zeros(len(readings), int)
    found, _ = combine_readings(how, nowhere, nowhere, np.array(readings, float), (1, 1))
    return int(found[0, 0])


@pytest.mark.parametrize("how", ["mean", "max", "last"])
@pytest.mark.parametrize("model", ["uji", "ble-flat", "ble-tracks"])
def test_scans_equal_the_reference(tmp_path, model, how):
    bundle_dir = tmp_path / "bundle"
    shutil.copytree(ZOO_DIR / model, bundle_dir)
    bundle = load_bundle(bundle_dir)
    changed = bundle.model_copy(update={"preprocessing": bundle.preprocessing.model_copy(update={"combine": how})})
    (bundle_dir / "bundle.json").write_text(changed.model_dump_json())
    library = written(tmp_path, [from_bundle(bundle_dir, "hall", model)])
    points = len(bundle.preprocessing.access_points)
    generator = np.random.default_rng(3)
    reference, body, expected = LocaliserReference(bundle_dir), [], []
    for _ in range(30):
        heard = generator.choice(points, generator.integers(0, min(points, 9) + 1), replace=False)
        packets = [
            (int(i), int(d))
            for i in np.repeat(heard, generator.integers(1, 5, len(heard)))
            for d in [generator.integers(-99, -30)]
        ]
        generator.shuffle(packets)
        packets = [(int(i), int(d)) for i, d in packets]
        body += [f"hall_hear(&context, {i}, {d});" for i, d in packets]
        body += [
            "hall_hear(&context, 60000, -50);",
            "hall_hear(&context, 0, 127);",
            "told(hall_end_scan(&context, &out));",
        ]
        indices = np.array(sorted(heard), np.uint16)
        dbm = np.array([_combined([d for i, d in packets if i == point], how) for point in indices], np.int8)
        answer = reference.sample(indices, dbm)
        expected.append((answer.class_index, answer.scores.tolist(), len(packets) > 0))
    (tmp_path / "scan.cpp").write_text(
        '#include <cstdio>\n#include "hall.h"\nstatic hall_t context;\nstatic hall_decision_t out;\n'
        "static void told(hall_outcome_t outcome)\n{\n"
        '    std::printf("%d %ld %u %u", outcome, static_cast<long>(out.class_index), out.heard, out.ignored);\n'
        '    for (int score : out.sample.scores) std::printf(" %d", score);\n    std::printf("\\n");\n}\n'
        "int main()\n{\n    hall_init(&context);\n    context.least_heard = 1;\n    " + "\n    ".join(body) + "\n}\n"
    )
    told = output_of(linked(tmp_path / "scan.cpp", tmp_path, [library], objects(library, tmp_path / "o"))).splitlines()
    outcomes = set()
    for line, (class_index, scores, _) in zip(told, expected, strict=True):
        outcome, decided, heard, ignored, *found = map(int, line.split())
        assert found == scores and ignored == 2
        due = class_index >= 0
        assert outcome == (1 if not due else 0 if heard > 0 else 2)
        assert decided == (class_index if due and heard > 0 else -1)
        outcomes.add(outcome)
    silent = (
        bundle.window.steps == 1 and bundle.preprocessing.hold_samples == 0
    )  # else a scan without packets still counts
    assert outcomes >= ({0, 2} if silent else {0, 1} if bundle.window.steps > 1 else {0})


def test_names_are_found_by_id_and_by_address(tmp_path):
    bundle_dir = tmp_path / "bundle"
    shutil.copytree(ZOO_DIR / "ble-flat", bundle_dir)
    content = json.loads((bundle_dir / "bundle.json").read_text())
    ids = [
        "f0:00:00:00:00:01",
        "00:11:22:33:44:55",
        "aa:bb:cc:dd:ee:ff",
        "aa:bb:cc:dd:ee:fe",
        "00:00:00:00:00:00",
        "01:02:03:04:05:06",
    ]
    content["preprocessing"]["access_points"] = ids
    content["outputs"]["classes"] = ['living "room"', "Küche", "a\\b", "OK", "int", "inputs"]
    (bundle_dir / "bundle.json").write_text(json.dumps(content))
    library = written(tmp_path, [from_bundle(bundle_dir, "hall", "x")])
    by_id = "".join(f'    std::printf("%u ", hall_access_point("{each}"));\n' for each in [*ids, "aa:bb", ""])
    octets = [", ".join(f"0x{byte}" for byte in each.split(":")) for each in [*ids, "00:00:00:00:00:01"]]
    by_address = "".join(
        f'    {{ const uint8_t a[6] = {{{each}}}; std::printf("%u ", hall_access_point_address(a)); }}\n'
        for each in octets
    )
    (tmp_path / "names.cpp").write_text(f"""
#include <cstdio>
#include "hall.h"
int main()
{{
{by_id}    std::printf("\\n");
{by_address}    std::printf("\\n%s|%s|", hall_class_name(HALL_KUECHE), hall_class_name(-1));
    std::printf("%s|%s\\n", hall_class_name(HALL_OK_3), hall_access_point_id(1));
    int32_t place[3];
    return hall_class_place(HALL_INPUTS_5, place) == 1 && hall_class_place(99, place) == 0 ? 0 : 1;
}}
""")
    told = output_of(linked(tmp_path / "names.cpp", tmp_path, [library], objects(library, tmp_path / "o"))).splitlines()
    assert told[0].split() == ["0", "1", "2", "3", "4", "5", "65535", "65535"]
    assert told[1].split() == ["0", "1", "2", "3", "4", "5", "65535"]
    assert told[2] == "Küche|unknown|OK|00:11:22:33:44:55"


def test_position_and_spread_equal_the_plain_arithmetic(tmp_path):
    """Mean of the places under the weights, and the root of the mean squared distance from it, in whole millimetres."""
    bundle_dir = ZOO_DIR / "uji-position"
    library = written(tmp_path, [from_bundle(bundle_dir, "hall", "x")])
    bundle, rule = load_bundle(bundle_dir), position_rule(bundle_dir)
    points = len(bundle.preprocessing.access_points)
    generator, reference, body, expected = np.random.default_rng(5), LocaliserReference(bundle_dir), [], []
    weights, places = rule.weights.astype(np.int64), rule.places.astype(np.int64).reshape(-1, 2)
    for _ in range(8):
        indices = np.sort(generator.choice(points, 14, replace=False)).astype(np.uint16)
        dbm = generator.integers(-99, -30, len(indices)).astype(np.int8)
        body += [f"hall_hear(&context, {i}, {d});" for i, d in zip(indices, dbm, strict=True)]
        body.append("hall_end_scan(&context, &out); told();")
        scores = reference.sample(indices, dbm).scores.astype(np.int64)
        behind = scores.max() - scores
        weight = np.where(behind < len(weights), weights[np.minimum(behind, len(weights) - 1)], 0)
        metric = places * rule.unit_mm + np.array(rule.origin_mm)
        mean = rule.decide(scores[None])[0]
        squares = sum(
            int(w) * ((int(x) - int(mean[0])) ** 2 + (int(y) - int(mean[1])) ** 2)
            for w, (x, y) in zip(weight, metric, strict=True)
        )
        expected.append(f"{int(mean[0])} {int(mean[1])} {math.isqrt(squares // int(weight.sum()))}")
    (tmp_path / "place.cpp").write_text(
        '#include <cstdio>\n#include "hall.h"\nstatic hall_t context;\nstatic hall_decision_t out;\n'
        "static void told()\n{\n"
        '    std::printf("%ld %ld ", static_cast<long>(out.position_mm[0]), static_cast<long>(out.position_mm[1]));\n'
        '    std::printf("%ld\\n",\n'
        "                static_cast<long>(out.spread_mm));\n}\n"
        "int main()\n{\n    hall_init(&context);\n    " + "\n    ".join(body) + "\n}\n"
    )
    told = output_of(linked(tmp_path / "place.cpp", tmp_path, [library], objects(library, tmp_path / "o"))).splitlines()
    assert told == expected and len(set(told)) == 8


def test_two_contexts_run_side_by_side(tmp_path):
    """A context is all the state: two that take turns on different scans answer as each alone."""
    library = written(tmp_path, [zoo_model("ble-flat", "hall")])
    generator = np.random.default_rng(5)
    scans = [[[(int(i), int(generator.integers(-95, -40))) for i in range(6)] for _ in range(24)] for _ in range(2)]

    def steps(who: int, scan: list[tuple[int, int]]) -> list[str]:
        heard = [f"hall_hear(&context[{who}], {i}, {d});" for i, d in scan]
        return [*heard, f"told({who}, hall_end_scan(&context[{who}], &out));"]

    def answers(name: str, body: list[str]) -> list[str]:
        program = tmp_path / f"{name}.cpp"
        program.write_text(
            '#include <cstdio>\n#include "hall.h"\nstatic hall_t context[2];\nstatic hall_decision_t out;\n'
            "static void told(int who, hall_outcome_t outcome)\n{\n"
            '    std::printf("%d %d %ld", who, outcome, static_cast<long>(out.class_index));\n'
            '    for (int score : out.sample.scores) std::printf(" %d", score);\n    std::printf("\\n");\n}\n'
            "int main()\n{\n    hall_init(&context[0]);\n    hall_init(&context[1]);\n    "
            + "\n    ".join(body)
            + "\n}\n"
        )
        return output_of(linked(program, tmp_path, [library], parts)).splitlines()

    parts = objects(library, tmp_path / "o")
    alone = [answers(f"alone{who}", [line for scan in scans[who] for line in steps(who, scan)]) for who in range(2)]
    turns = [line for pair in zip(*scans, strict=True) for who in range(2) for line in steps(who, pair[who])]
    both = answers("both", turns)
    assert [[line for line in both if line[0] == str(who)] for who in range(2)] == alone
    assert [line[2:] for line in alone[0]] != [line[2:] for line in alone[1]]


def test_the_self_test_can_be_left_out(tmp_path):
    library = written(tmp_path, [zoo_model("ble-flat", "hall")])
    for options, there in ((("-std=c99", "-O1"), True), (("-std=c99", "-O1", "-DHALL_NO_SELFTEST"), False)):
        parts = objects(library, tmp_path / f"o{there}", options)
        symbols = subprocess.run(["nm", "-g", *map(str, parts)], capture_output=True, text=True, check=True).stdout
        assert (" T hall_selftest\n" in symbols) == there
