"""The requests of `vllm_tokens` to the worker, which vLLM's CPU platform before 0.28 puts in a process of its own."""

from __future__ import annotations

import syncfree


class Binder:
    """Mixed into vLLM's worker class (``worker_extension_cls``), for `collective_rpc`."""

    def bind(self) -> list[str]:
        """Bind as the environment and the defaults choose; return what is bound by now."""
        return sorted({f"{entry.hook}={entry.choice}" for entry in syncfree.load("vllm") if entry.state == "bound"})

    def take_out(self) -> list[str]:
        """Put every original back; return what could not be."""
        return [str(left) for left in syncfree.restore()]
