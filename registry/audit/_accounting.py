"""The Python processes of a command that the audit did not cover, with the reasons."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ._notes import HERE, REFUSED, Note, text_of
from ._watch import Member, Program

_SHORTEST_IMPORT = 0.25
"""Seconds. Importing torch takes several times as long on any machine, so a Python process that ended sooner did not."""


@dataclass(frozen=True, slots=True)
class Unaudited:
    """A process whose syncs are not, or not all, in the report."""

    pid: int
    argv: list[str]
    reason: str


def unaudited(
    programs: Iterable[Program], living: Iterable[Member], notes: Iterable[Note], images_with_log: set[str], folder: str
) -> list[Unaudited]:
    """Judge every program that was seen.

    Args:
        living: the processes that had not ended when the report was made.
        images_with_log: programs with a process in which an audit began.
        folder: the folder that the audit puts on PYTHONPATH.
    """
    notes = list(notes)
    found = {}
    for program in programs:
        reason = _reason(program, notes, images_with_log, folder)
        if reason is not None:
            found[program.pid] = Unaudited(program.pid, program.argv, reason)
    for note in notes:
        if note.kind == REFUSED:
            argv = next((program.argv for program in programs if program.image == note.image), [])
            found[note.pid] = Unaudited(note.pid, argv, note.text)
    for member in living:
        if member.program.is_python and member.program.pid not in found:
            reason = "it was still running when the command had ended; its later syncs are not in this report"
            found[member.pid] = Unaudited(member.pid, member.program.argv, reason)
    return list(found.values())


def _reason(program: Program, notes: list[Note], images_with_log: set[str], folder: str) -> str | None:
    """Return why a program was not audited; None when it was, or need not have been."""
    if _is_known(program, notes):
        has_begun = program.image in images_with_log or any(
            note.kind == REFUSED and note.image == program.image for note in notes
        )
        if program.has_torch and not has_begun:
            return "it loaded torch, but the audit did not begin in it"
        return None
    if program.has_torch:
        return f"it loaded torch, and nothing else is known about it: {_cause(program, folder)}"
    if program.is_python and program.lived >= _SHORTEST_IMPORT:
        return f"nothing is known about it: {_cause(program, folder)}"
    return None


def _is_known(program: Program, notes: list[Note]) -> bool:
    started = [note for note in notes if note.kind == HERE]
    if program.is_random:
        return any(note.image == program.image for note in started)
    text = text_of(program.argv)
    return any(note.text == text and (note.image == program.image or note.pid == program.pid) for note in started)


def _cause(program: Program, folder: str) -> str:
    for argument in program.argv[1:]:
        if not (argument.startswith("-") and argument[1:].isalpha()):
            break
        for flag in "ISE":
            if flag in argument:
                return f"it was started with -{flag}"
        if argument[-1] in "cmWX":
            break
    if folder not in program.environment.get("PYTHONPATH", "").split(os.pathsep):
        return "the auditor's folder is not on its PYTHONPATH"
    return "its Python did not run the auditor's sitecustomize module"
