"""Make foreign text, such as a path, a name or a message, safe for a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return the text on one line, with every character that a terminal could act on escaped: ``\x1b``, ``\n``, ``\u202e``.

    Those are the characters that `str.isprintable` rejects: control and format characters, line breaks, blanks other than
    the space, unpaired surrogates. Backslashes are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def clipped(text: str, length: int = 100) -> str:
    """Return the text, or its beginning with an ellipsis when it is longer."""
    return text if len(text) <= length else f"{text[:length]}..."
