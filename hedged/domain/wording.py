"""Texts that others wrote, made fit to be shown."""


def printable(text: str) -> str:
    """Return a text without control characters: an escape sequence from a venue must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
