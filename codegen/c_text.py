"""Text of users in generated C: model, file and tensor names. Whatever it holds, it stays in its comment or string."""

_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\?')

_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
    const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
    protected public register reinterpret_cast restrict return short signed sizeof static static_assert static_cast
    struct switch template this thread_local throw true try typedef typeid typename typeof union unsigned using virtual
    void volatile wchar_t while xor xor_eq NULL errno
"""
KEYWORDS = frozenset(_WORDS.split())
"""Words of C11 and C++17, and macros of their headers, that name nothing of a user's."""


def c_comment(text: str) -> str:
    """The text for a comment: one line that neither opens nor closes one, and has no trigraph.

    Source: C99, 5.1.1.2 (trigraphs and lines that a backslash joins come before comments).
    """
    line = "".join(c if c.isprintable() else " " for c in text).replace("??", "? ?")
    return line.replace("/*", "/ *").replace("*/", "* /")


def c_string(text: str) -> str:
    """The text as a string literal with its quotes, in ASCII: other bytes of its UTF-8 are octal escapes.

    An octal escape of three digits ends there, whatever follows; a question mark is escaped for trigraphs' sake.
    """
    data = text.encode("utf-8", "backslashreplace")
    return '"' + "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in data) + '"'
