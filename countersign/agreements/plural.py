"""Numbers of things, in words."""


def number_of(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an `s` in the plural: `1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
