"""Functions for adapters about the ranks of a job: their plans, and this process's own rank. Imports no torch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import _api, _lockstep
from ._errors import SyncfreeError
from ._log import log_of
from ._process_group import current_rank, process_identity, publish, rank_count
from ._runtime import RUNTIME
from .adapting import Attachment


def compare_plans_after(target: str, framework: str) -> Attachment:
    """Return an attachment that compares the ranks' plans after each call of the function that makes the default group.

    A difference in a lockstep hook raises `SelectionError` from that call, on every rank.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def function(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            _compare_plans(framework)
            return result

        return function

    return Attachment(target, make, "the comparison of the plans of all ranks")


def gather_plans(question: str) -> list[dict[str, Any]]:
    """Publish this process's plan as the answer to a question; return the answers of its process group's ranks so far.

    For a function that a framework's own remote calls reach in its workers. It does not wait for other ranks, because one in
    the middle of a step may be waiting for this one: the caller repeats the question until every rank has answered.
    """
    own = {**_api.plan().as_dict(), **process_identity(), "question": question}
    if rank_count() == 1:
        return [own]
    answers = publish("syncfree/answer", own).read().values()
    return [answer for answer in answers if answer["question"] == question]


def rank_in_job() -> int | None:
    """Return the rank of this process in the default process group of torch; None without one."""
    rank = current_rank()
    return None if rank is None else rank.index


def _compare_plans(framework: str) -> None:
    log = log_of(RUNTIME.adapters().get(framework).logger)
    try:
        _lockstep.compare_plans(_api.plan(), log)
    except SyncfreeError as error:
        log.error("%s", error)
        raise
