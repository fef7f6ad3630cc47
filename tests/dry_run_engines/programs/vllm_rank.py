"""The report of a worker process of a vLLM engine about its waits; vLLM mixes it into the worker's class (``worker_extension_cls``)."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from measuring import Measurement, about
from vllm_samples import give_tokens


class Rank:
    """One rank, through `collective_rpc`, which a worker answers between two steps."""

    def dry_run_prepare(self) -> dict[str, str]:
        """Give sampled tokens to this rank; tell what its device and torch are."""
        v2 = os.environ["VLLM_USE_V2_MODEL_RUNNER"] == "1"
        runner = type(self.model_runner)  # type: ignore[attr-defined]
        if (".worker.gpu." in runner.__module__) != v2:
            raise RuntimeError(f"asked for V2 = {v2}, and got {runner}")
        give_tokens(v2)
        return about()

    def dry_run_begin(self, hook: str | None) -> None:
        """Count from here on, until `dry_run_end`."""
        self._measurement = Measurement(hook)
        self._counting = contextlib.ExitStack()
        self._counting.enter_context(self._measurement.steps(0))

    def dry_run_end(self, steps: int) -> dict[str, Any]:
        """Tell what this rank did in `steps` steps of the engine."""
        self._counting.close()
        return self._measurement.told(steps)
