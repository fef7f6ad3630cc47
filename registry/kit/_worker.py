"""The process in which a plugin is imported and checked: one order per line of JSON, one answer per line."""

from __future__ import annotations

import importlib
import json
import os
import traceback
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from .._errors import SyncfreeError
from .._plugins import Implementation, check_signature, describe
from ._checks import CHECKS
from ._plugin import implementations_of, inapplicable


def main(orders: int, answers: int) -> None:
    """Serve orders until the pipe is closed. The arguments are file descriptors."""
    # A child that the plugin forks would hold the pipe open after our end, and answer a second time if its call returned.
    os.register_at_fork(after_in_child=partial(_close, orders, answers))
    with os.fdopen(orders) as reader, os.fdopen(answers, "w") as writer:
        start = json.loads(reader.readline())
        worker = _Worker(**start)
        for line in reader:
            answer = worker.answer(json.loads(line))
            writer.write(json.dumps(answer) + "\n")
            writer.flush()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.closerange(descriptor, descriptor + 1)  # it may be closed already


class _Worker:
    """One process: its plugin, and how calls are made."""

    def __init__(self, plugin: str, where: str, limit: float, examples: int) -> None:
        self._plugin = plugin
        self._where = where
        self._limit = limit
        self._examples = examples
        self._device: str | None = None
        self._found: dict[str, Implementation] | None = None

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run one order: ``list``, or a check of a hook."""
        try:
            if self._where == "device" and self._device is None:
                self._device = _device()
            if self._found is None:
                self._found = implementations_of(self._plugin)
            if "check" not in order:
                return {"hooks": {hook: inapplicable(found) for hook, found in self._found.items()}}
            return self._checked(self._found[order["hook"]], order["check"])
        except SyncfreeError as error:
            return {"outcome": "failed", "problem": str(error)}
        except Exception:  # noqa: BLE001 - the answer holds it, and the next check is another matter
            return {"outcome": "failed", "problem": f"the check itself failed:\n{traceback.format_exc()}"}

    def _checked(self, found: Implementation, name: str) -> dict[str, Any]:
        from ._calls import Caller

        _set_width()
        check_signature(found.hook, found.function(), describe(found.plugin, found.distribution))
        missing = found.missing()
        if missing and name != "signature":
            return {"outcome": "skipped", "problem": f"it needs {', '.join(missing)}, which this machine lacks"}
        check = CHECKS[name]
        function = getattr(importlib.import_module(f"{__package__}.{check.module}"), name)
        with self._group(found):
            finding = function(Caller(found, self._limit, self._examples, self._device))
        if finding is None:
            return {"outcome": "passed"}
        return {"outcome": "failed", "problem": finding.problem, "arguments": finding.shown}

    def _group(self, found: Implementation) -> AbstractContextManager[None]:
        """Return a process group for the calls of a lockstep hook."""
        from ..testing import _group_of_one, _group_without_exchange

        if not found.hook.lockstep:
            return nullcontext()
        return _group_of_one() if self._device is None else _group_without_exchange()


def _device() -> str:
    """Return the device: of a GPU, or simulated, which cannot be undone in this process."""
    from ..audit._backend import select

    select("auto")
    return "cuda:0"


def _set_width() -> None:
    """Make tensors print within 80 columns."""
    import torch

    torch.set_printoptions(linewidth=72, threshold=60, edgeitems=2)
