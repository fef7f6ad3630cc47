"""Text of others, such as a path, a name or a message, for a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return the text on one line, with what a terminal would act on written as an escape: ``\x1b``, ``\n``, ``\u202e``.

    That is every character that `str.isprintable` refuses: control and format characters, line breaks, blanks other than
    the space, unpaired surrogates. A backslash stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def clipped(text: str, length: int = 100) -> str:
    """Return the text, or its beginning with an ellipsis when it is longer."""
    return text if len(text) <= length else f"{text[:length]}..."
