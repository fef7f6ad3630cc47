"""The environment variables of syncfree: their names, how their values are read, and names that are unknown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ._errors import SelectionError, nearest
from ._text import clipped

PREFIX = "SYNCFREE"
SWITCH = "SYNCFREE"
PLUGINS = "SYNCFREE_PLUGINS"
CONFIG = "SYNCFREE_CONFIG"
ALLOW_UNKNOWN = "SYNCFREE_ALLOW_UNKNOWN"
VERIFY = "SYNCFREE_VERIFY"
VERIFY_ON_MISMATCH = "SYNCFREE_VERIFY_ON_MISMATCH"
VERIFY_CONTENTS = "SYNCFREE_VERIFY_CONTENTS"
RECORD = "SYNCFREE_RECORD"
RECORD_TO = "SYNCFREE_RECORD_TO"
CONTROL = "SYNCFREE_CONTROL"
JOB = "SYNCFREE_JOB"
AB = "SYNCFREE_AB"
REPORT = "SYNCFREE_REPORT"
METRICS = "SYNCFREE_METRICS"
METRICS_SAMPLE = "SYNCFREE_METRICS_SAMPLE"
GENERAL_VARIABLES = (
    *(SWITCH, PLUGINS, CONFIG, ALLOW_UNKNOWN),
    *(VERIFY, VERIFY_ON_MISMATCH, VERIFY_CONTENTS),
    *(RECORD, RECORD_TO, AB),
    *(CONTROL, JOB, REPORT, METRICS, METRICS_SAMPLE),
)

_ON = frozenset({"on", "1", "true", "yes"})
_OFF = frozenset({"off", "0", "false", "no"})
_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""Kubernetes sets these for a service whose name begins with ``syncfree``, in every container of its namespace."""


def value_of(environ: Mapping[str, str], variable: str) -> str:
    """Return a variable's value without surrounding blanks; empty when it is not set."""
    return environ.get(variable, "").strip()


def is_on(environ: Mapping[str, str], variable: str) -> bool | None:
    """Return whether a variable says on or off; None where it is not set.

    Raises:
        SelectionError: the value is neither on nor off.
    """
    word = value_of(environ, variable).lower()
    if word and word not in _ON | _OFF:
        raise SelectionError(f"syncfree: {variable}={clipped(word)!r} is neither on nor off{nearest(word, _ON | _OFF)}")
    return word in _ON if word else None


def is_off(environ: Mapping[str, str]) -> bool:
    """Return whether ``SYNCFREE`` switches everything off.

    Raises:
        SelectionError: the value is neither on nor off.
    """
    return is_on(environ, SWITCH) is False


def control_directory(environ: Mapping[str, str]) -> str | None:
    """Return the run directory that ``SYNCFREE_CONTROL`` names, an absolute path; None where it names none.

    Raises:
        SelectionError: the value is neither on, off nor an absolute path.
    """
    value = value_of(environ, CONTROL)
    if os.path.isabs(value):
        return value
    try:
        is_on(environ, CONTROL)
    except SelectionError as error:
        raise SelectionError(f"{error}; or give the absolute path of a folder for sockets") from None
    return None


def unknown_variables(environ: Mapping[str, str], known: tuple[str, ...]) -> Iterator[str]:
    """Yield a message for each variable that has our prefix and is unknown, or is one of ours in other spelling."""
    for name in environ:
        folded = name.strip().upper().replace("-", "_")
        ours = name.startswith(f"{PREFIX}_") or folded in known
        if ours and name not in known and not _OF_KUBERNETES.fullmatch(name):
            shown = clipped(name if name == name.strip() else repr(name))
            yield f"unknown variable {shown}{nearest(folded, known)}"
