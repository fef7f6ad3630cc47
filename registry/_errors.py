"""The two families of error: *you asked for something impossible* and *the plugin is broken*.

Foreign code may raise anything, with any text: `attributed_to` turns it into a `PluginError`, `describe_error` into one line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar, TypeVar

from ._text import clipped, printable

T = TypeVar("T")

LONGEST = 1000
"""The number of characters of a foreign text that are shown."""

_PROBLEMS = 20
"""The number of problems that one error names."""


class DocumentedError(Exception):
    """Base of every public error: one with a page of the documentation.

    Attributes:
        page: the page of the documentation about what the error is about; a note of the error, so that a traceback shows it
            (from Python 3.11 on) and the message stays as it is where another one quotes it.
    """

    page: ClassVar[str]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.__notes__ = [f"See {self.page}"]


class SyncfreeError(DocumentedError):
    """Base of every error that syncfree raises on purpose, but for the assertions of `syncfree.audit`.

    Its message is one printable line, whatever text it quotes.
    """

    page = "docs/index.md"

    def __str__(self) -> str:
        return printable(super().__str__())


class SelectionError(SyncfreeError, ValueError):
    """A choice cannot be met: a wrong name, or an implementation that does not fit what is installed."""

    page = "docs/choosing.md"


class PluginError(SyncfreeError):
    """A plugin is broken; the message names its distribution, the place, and what to do about it."""

    page = "docs/plugins.md"


class BindingError(SyncfreeError, RuntimeError):
    """A binding must not be made: its target is not the code that the adapter was written for, or is already patched."""

    page = "docs/refusals.md"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'? Known: a, b, x"``, or ``". Known: a, b"``, for a message about an unknown name."""
    from difflib import get_close_matches  # only on the way to an error

    names = sorted(known)
    close = get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = "."
    if close:
        original = next(n for n in names if n.lower() == close[0])
        hint = f"; did you mean {original!r}?"
    return f"{hint} Known: {', '.join(names) or 'none'}"


def unknown_hook(name: object, hooks: Iterable[str]) -> str:
    """Return ``"unknown hook 'x'; did you mean 'y'? Known: ..."``, the problem with a name in a setting or an argument."""
    shown = clipped(name) if isinstance(name, str) else name
    return f"unknown hook {shown!r}{nearest(str(name), hooks)}"


def raise_all(problems: list[str]) -> None:
    """Raise one `SelectionError` that names every problem; return when there is none."""
    if problems:
        more = [f"and {len(problems) - _PROBLEMS} more"] if len(problems) > _PROBLEMS else []
        raise SelectionError("syncfree: " + "; ".join(problems[:_PROBLEMS] + more))


def one_line(text: object, longest: int = LONGEST) -> str:
    """Return anything as text for a log: one line, printable, and of bounded length."""
    try:
        shown = str(text)
        start = str.__getitem__(shown, slice(longest))  # a subclass of str may override its methods
        more = str.__len__(shown) - len(start)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the result reports that the text cannot be shown
        return "(its text cannot be shown)"
    return _plain(start) + (f" ... ({more} characters more)" if more else "")


def describe_error(error: BaseException) -> str:
    """Return an exception as one printable line: its type, its message, and the file where the message needs one.

    Our own errors need no type. Only `KeyboardInterrupt` from the exception's own methods passes through.
    """
    message = one_line(error)
    if issubclass(type(error), SyncfreeError):
        return message
    kind = or_default(lambda: one_line(type(error).__name__), "an exception")
    file = or_default(lambda: one_line(_file_of(error) or ""), "")
    return (f"{kind}: {message}" if message else kind) + (f" ({file})" if file and file not in message else "")


@contextmanager
def attributed_to(origin: str) -> Iterator[None]:
    """Turn whatever foreign code raises into a `PluginError` whose message begins with ``origin``.

    `KeyboardInterrupt` and a `PluginError` pass unchanged; `SystemExit` does not.
    """
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        raise PluginError(f"{origin}: {describe_error(error)}") from error


def or_default(call: Callable[[], T], default: T) -> T:
    """Call foreign code; return the default if it raises. `KeyboardInterrupt` and our own errors propagate."""
    try:
        return call()
    except (KeyboardInterrupt, SyncfreeError):
        raise
    except BaseException:  # noqa: BLE001 - the caller chooses what a failure means
        return default


def _plain(text: str) -> str:
    return printable(" ".join(text.split()))


def _file_of(error: BaseException) -> str | None:
    """Return the file of a syntax error, or of a module that lacks a name (another module may shadow the intended one)."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}" if error.filename else None
    module: object = None
    if isinstance(error, ImportError) and error.name:
        module = sys.modules.get(error.name) or sys.modules.get(error.name.rpartition(".")[0])
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        module = error.obj
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None
