"""The job that a process belongs to: the processes of one engine.

The first of these that is there:

1. ``SYNCFREE_JOB``, which the first process of a job that loads us sets for its children, or the user for a whole launch;
2. the run that torchrun started the process for, ``TORCHELASTIC_RUN_ID`` and ``MASTER_PORT``;
3. the job of a Ray worker, ``RAY_JOB_ID``;
4. a name of its own, from the pid.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from .._variables import JOB

_LAUNCHERS = (("torchrun", ("TORCHELASTIC_RUN_ID", "MASTER_PORT")), ("ray", ("RAY_JOB_ID",)))


def job_of(environ: MutableMapping[str, str]) -> str:
    """Return this process's job; a new name is put into the environment, for the processes that this one starts."""
    found = environ.get(JOB, "").strip() or _of_launcher(environ)
    if not found:
        found = f"{os.getpid()}-{os.urandom(2).hex()}"
    environ[JOB] = found
    return found


def _of_launcher(environ: MutableMapping[str, str]) -> str:
    for launcher, variables in _LAUNCHERS:
        values = [environ.get(variable, "") for variable in variables]
        if all(values):
            return "-".join((launcher, *values))
    return ""
