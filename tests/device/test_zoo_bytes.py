"""Generated C and images of the zoo stay the same bytes unless a commit means to change them."""

import pytest

from tests.device import zoo_bytes
from tinyloc.device.zoo.models import names

MEANT = "; if that is meant, run `python -m tests.device.zoo_bytes` and say so in the commit"


@pytest.mark.parametrize("model", names())
def test_a_zoo_model_compiles_to_the_recorded_bytes(model: str) -> None:
    record = zoo_bytes.recorded()
    found, expected = zoo_bytes.digests(model), record["models"].get(model, {})
    if zoo_bytes.compiler_version() != record["compiler"]:  # another compiler makes other images of the same sources
        found, expected = ({"sources": digests["sources"]} for digests in (found, expected))
    assert found == expected, f"{model} compiles to other bytes than recorded{MEANT}"
