"""Register an embedding model of one's own with vLLM, whose pooler gives one tensor for the whole batch.

The poolers of vLLM's own models give a list of one tensor for each request.
"""

from __future__ import annotations

from typing import Any

from vllm import ModelRegistry
from vllm.model_executor.layers.pooler.seqwise import pooler_for_embed
from vllm.model_executor.models.adapters import as_embedding_model
from vllm.model_executor.models.llama import LlamaForCausalLM


class LlamaWithOwnPooler(as_embedding_model(LlamaForCausalLM)):  # type: ignore[misc]
    """A Llama for embeddings, pooled by a `SequencePooler` without vLLM's dispatch by task."""

    def _init_pooler(self, vllm_config: Any, prefix: str = "") -> Any:
        return pooler_for_embed(vllm_config.model_config.pooler_config)


def register() -> None:
    """Make vLLM know the architecture, in this process."""
    ModelRegistry.register_model(LlamaWithOwnPooler.__name__, LlamaWithOwnPooler)
