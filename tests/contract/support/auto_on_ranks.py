"""The work of a rank of `gloo_ranks` in the tests of ``dp_all_reduce=auto``, each over a group of its own."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any, NamedTuple

import torch.distributed as dist

from syncfree import SyncfreeError
from syncfree.adapters.vllm.dp_all_reduce.model_runner_v1 import BINDING

from .bound_class import calls_and_declines, switched_slot
from .vllm_on_ranks import both_v1, form_of, implementation, v1_config

STEPS = 3


class Found(NamedTuple):
    """The result of `exchanges` on a rank: our matrices, upstream's, how many calls were declined, the warnings."""

    matrices: list[list[list[int]]]
    expected: list[list[list[int]]]
    declined: int
    logged: list[str]


def exchanges(in_other_containers: bool) -> Found:
    """Some steps of V1's exchange of vLLM 0.32.0, bound, beside upstream's."""
    group = dist.new_group(backend="gloo")
    upstream = both_v1("0.32.0", "cpu", group, "sync_free")[0]["_run_ar"]
    compose, _ = form_of(BINDING, "0.32.0").compose or ()
    bound = switched_slot(upstream, compose, BINDING, implementation("auto")).bound
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    usual = os.getpid
    if in_other_containers and dist.get_rank() == 0:
        os.getpid = os.getppid  # the number means another process to the others
    logging.getLogger("syncfree").addHandler(handler)
    try:
        steps = [(bool(step % 2), 5 + step + dist.get_rank(), 8, 0, v1_config(True)) for step in range(STEPS)]
        ours = [bound(*step).tolist() for step in steps]
    finally:
        os.getpid = usual
        logging.getLogger("syncfree").removeHandler(handler)
    return Found(ours, [upstream(*step).tolist() for step in steps], calls_and_declines({"": bound._syncfree_slot})[1], lines)


def beside_the_mailbox(alone: int) -> str:
    """One rank chose the mailbox, the others ``auto``; the error of this rank."""
    return _error("shm_mailbox" if dist.get_rank() == alone else "auto", dist.new_group(backend="gloo"))


def killed_before_it_agrees(rank: int) -> str:
    """A rank is killed before it comes to the first exchange; the error of this rank."""
    group = dist.new_group(backend="gloo")
    if dist.get_rank() == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    return _error("auto", group)


def _error(choice: str, group: Any) -> str:
    try:
        implementation(choice)((5, 7), dist.get_rank(), dist.get_world_size(), group, "cpu")
    except SyncfreeError as error:
        return str(error)
    return ""
