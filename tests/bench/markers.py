"""Replace the text between two markers of a page."""


def rewritten(page: str, begin: str, end: str, text: str) -> str:
    """Return the page with `text` between the markers.

    Args:
        page: Markdown with one `begin` and, behind it, one `end`.
        begin: marker line above the text.
        end: marker line below the text.
        text: Markdown without a final newline.

    Raises:
        ValueError: a marker is missing.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {begin} ... {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
