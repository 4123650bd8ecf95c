"""A .tflite file as a library: its self-test, the same answers as the plain C, several inputs and states."""

import subprocess

import pytest

from tests.conftest import REPOSITORY
from tests.library.made import linked, objects, output_of, written
from tinyloc.codegen.library.model import from_tflite

CASES = REPOSITORY / "tests" / "cases"


@pytest.mark.parametrize(
    "case", ["lstm_small_cell", "softmax1000_equal", "stream_variable", "transpose_conv_open_shape"]
)
def test_the_self_test_of_a_network_passes(tmp_path, case):
    model = from_tflite(CASES / case / "model.tflite", "net")
    library = written(tmp_path, [model])
    parts = [str(part) for part in objects(library, tmp_path / "o")]
    include = f"-I{library / 'include'}"
    subprocess.run(
        ["gcc", str(library / "test" / "selftest.c"), include, *parts, "-o", str(tmp_path / "t")], check=True
    )
    assert output_of(tmp_path / "t") == "net: equal\n"


def test_two_contexts_run_side_by_side(tmp_path):
    """A stream's state lies in its context: what one is fed does not reach the other."""
    model = from_tflite(CASES / "stream_variable" / "model.tflite", "net")
    library = written(tmp_path, [model])
    (given,), (result,) = model.facts["inputs"], model.facts["outputs"]
    (tmp_path / "two.cpp").write_text(f"""
#include <cstdio>
#include <cstring>
#include "net.h"
static net_t one, two;
static {given["element"]}_t x[{given["size"]}], other[{given["size"]}];
static {result["element"]}_t y[{result["size"]}], z[{result["size"]}], ignored[{result["size"]}];
int main()
{{
    std::memset(other, 55, sizeof other);
    net_init(&one);
    net_init(&two);
    for (int step = 0; step < 5; step++) {{
        std::memset(x, 7 * step, sizeof x);
        net_run(&one, x, y);
        net_run(&two, other, ignored);
    }}
    net_init(&two);
    for (int step = 0; step < 5; step++) {{
        std::memset(x, 7 * step, sizeof x);
        net_run(&two, x, z);
    }}
    std::printf("%d %d", std::memcmp(y, z, sizeof y) == 0, std::memcmp(y, ignored, sizeof y) != 0);
}}
""")
    assert output_of(linked(tmp_path / "two.cpp", tmp_path, [library], objects(library, tmp_path / "o"))) == "1 1"
