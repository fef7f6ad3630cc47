"""The lines of user code in a stack: without frames of torch and of the auditor."""

from __future__ import annotations

import os
import sys
from types import FrameType

from ._events import UNKNOWN, Frame

DEPTH = 64
_ignored: tuple[str, ...] = (os.path.dirname(os.path.abspath(__file__)) + os.sep, "<frozen")


def ignore_directory(directory: str) -> None:
    """Take the files of a directory for no user code from now on."""
    global _ignored
    if directory not in _ignored:
        _ignored = (*_ignored, directory)


def user_location() -> Frame:
    """Return the innermost line of user code of the calling thread."""
    frames = user_frames(sys._getframe(1), depth=1)
    return frames[0] if frames else UNKNOWN


def user_frames(frame: FrameType | None, depth: int = DEPTH) -> tuple[Frame, ...]:
    """Return the frames of user code from `frame` on, innermost first, at most `depth`."""
    frames: list[Frame] = []
    while frame is not None and len(frames) < depth:
        code = frame.f_code
        if not code.co_filename.startswith(_ignored):
            frames.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(frames)
