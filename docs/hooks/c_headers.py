"""Pages of C headers: each declaration with the comment above it."""

import re

GUARD = re.compile(r"^#\s*(ifndef|ifdef|if|elif|else|endif|include)\b|^#define \w+_H_?$")
EXTERN_C = re.compile(r'^extern "C" \{$|^\} ?/\* extern "C" \*/$')
BLOCK = re.compile(r"(?P<comment>/\*.*?\*/)?\s*(?P<code>.*)", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def prose(comment: str) -> str:
    """The text of a C comment, on one line per paragraph."""
    lines = [re.sub(r"^\s*\* ?", "", line) for line in comment.strip()[2:-2].strip().splitlines()]
    return "\n".join(" ".join(part.split()) for part in "\n".join(lines).split("\n\n"))


def heading(code: str) -> str:
    """The name that a declaration introduces; nothing where there is no single one."""
    for pattern in (r"\}\s*(?:\w+\s+)*?(\w+);\s*$", r"^enum (\w+)", r"^#define (\w+)", r"(\w+)\s*\([^)]*\)[^;{]*;\s*$"):
        match = re.search(pattern, code.strip(), re.DOTALL)
        if match:
            return match[1]
    return ""


def declarations(header: str) -> list[str]:
    """The header cut at blank lines outside of braces and comments, without guards and includes."""
    parts: list[list[str]] = [[]]
    for line in header.splitlines():
        so_far = "\n".join(parts[-1])
        code = COMMENT.sub("", so_far)
        inside = code.count("{") > code.count("}") or "/*" in code
        if not inside and (not line.strip() or GUARD.match(line) or EXTERN_C.match(line)):
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part) for part in parts if part and not part[0].startswith("///")]


def blocks(header: str) -> list[tuple[str, str]]:
    """(comment, code) of each declaration."""
    found = []
    for text in declarations(header):
        match = BLOCK.fullmatch(text.strip())
        assert match
        found.append((prose(match["comment"]) if match["comment"] else "", match["code"].strip()))
    return found


def section(title: str, header: str) -> str:
    """Markdown of one header; its guard and includes are left out."""
    lines = [f"## {title}", ""]
    for number, (comment, code) in enumerate(blocks(header)):
        name = heading(code) if code else ""
        if name and "#define" not in code:
            lines += [f"### `{name}`", ""]
        if comment:
            about_the_file = number == 0
            comment = comment if about_the_file else comment[0].upper() + comment[1:]
            lines += [comment, ""]
        if code:
            lines += ["```c", code, "```", ""]
    return "\n".join(lines)
