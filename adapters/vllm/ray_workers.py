"""Our variables in Ray's workers. Ray's vLLM executor copies only the variables that it knows, and those with certain prefixes."""

from __future__ import annotations

from collections.abc import MutableMapping

VARIABLE = "VLLM_RAY_EXTRA_ENV_VAR_PREFIXES_TO_COPY"
"""Comma-separated; vLLM adds it to its own prefixes, in every release from 0.18."""

PREFIX = "SYNCFREE"


def copy_our_variables(environ: MutableMapping[str, str]) -> None:
    """Have the driver copy ``SYNCFREE`` and ``SYNCFREE_*``, besides what the user has it copy."""
    prefixes = [prefix.strip() for prefix in environ.get(VARIABLE, "").split(",") if prefix.strip()]
    if PREFIX not in prefixes:
        environ[VARIABLE] = ",".join([*prefixes, PREFIX])
