"""The same C under another name: what a model brings is called `tl_...` in our firmware, and `hall_...` in a library.

Names that the kernels define are nobody's and stay: models share them.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tinyloc.paths import FIRMWARE_DIR

KERNELS = FIRMWARE_DIR / "kernels"
_OURS = re.compile(r"\b(?:(?:tl|TL)_\w+|layer_\d\d+_\w+)\b(?!\.h\b)")
_SHORT: Mapping[str, str] = {"tl_context_t": "t", "tl_model_arena_t": "arena_t", "tl_model_run": "network_run"}
"""Names that read better shorter, without the model's own."""


@functools.cache
def kernel_vocabulary() -> frozenset[str]:
    """Every name in the kernels' headers."""
    return frozenset(_OURS.findall("\n".join(path.read_text(encoding="utf-8") for path in sorted(KERNELS.glob("*.h")))))


def outside_strings(words: re.Pattern[str], renamed: Callable[[str], str], source: str) -> str:
    """C source with these words renamed, but not in strings: those hold what users say."""
    either = re.compile(rf'"(?:\\.|[^"\\\n])*"|(?P<word>{words.pattern})')
    return either.sub(lambda found: renamed(found[0]) if found["word"] else found[0], source)


@dataclass(frozen=True)
class Namespace:
    """A model's names: `name` in front of its functions and types, in upper case in front of its macros."""

    name: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Name of ours -> end of its name here, beside those that are short in every library."""

    @property
    def upper(self) -> str:
        return self.name.upper()

    def apply(self, source: str) -> str:
        """C source of our firmware, or generated for it, in this model's names."""
        return outside_strings(_OURS, self.of, source)

    def of(self, word: str) -> str:
        """One name of ours in this model's."""
        if word in self.names:
            return f"{self.name}_{self.names[word]}"
        if word in kernel_vocabulary():
            return word
        if word in _SHORT:
            return f"{self.name}_{_SHORT[word]}"
        if word.startswith("TL_"):
            return f"{self.upper}_{word[3:]}"
        return f"{self.name}_{word.removeprefix('tl_')}"
