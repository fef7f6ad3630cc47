"""Coordination of data-parallel ranks before each step, in both of vLLM's model runners."""

from __future__ import annotations

from . import model_runner_v1, model_runner_v2

BINDINGS = (model_runner_v1.BINDING, model_runner_v2.BINDING)
