"""The plugin ``sync_free``: every hook, bitwise equal to upstream and without a host sync.

The functions here declare; the modules they name are imported only when an implementation is chosen, so that reading
this plugin needs no torch. They do not stand in the package itself: importing the module ``sync_free.scheduler_step`` would
put that module where the package's function of the same name was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncfree import hookimpl

if TYPE_CHECKING:
    import numpy as np
    import torch
    import torch.distributed as dist

    from syncfree.hooks.lora_mapping import LoRATensors
    from syncfree.hooks.scheduler_step import MultistepUpdate

_HERE = "syncfree.plugins.sync_free"


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.scheduler_step:scheduler_step")
def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """One UniPC update; see `syncfree.hooks.scheduler_step`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.host_timestep:host_timestep")
def host_timestep(timestep: torch.Tensor, schedule: torch.Tensor, host: torch.Tensor) -> torch.Tensor:
    """A timestep's value on the host; see `syncfree.hooks.host_timestep`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.schedule_upload:schedule_upload")
def schedule_upload(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A schedule put on the device; see `syncfree.hooks.schedule_upload`."""
    raise NotImplementedError


@hookimpl(
    exact=True,
    host_syncs=0,
    needs=("torch",),
    implementation=f"{_HERE}.sequence_parallel_all_to_all:sequence_parallel_all_to_all",
)
def sequence_parallel_all_to_all(tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup) -> tuple[torch.Tensor, ...]:
    """An exchange between ranks; see `syncfree.hooks.sequence_parallel_all_to_all`."""
    raise NotImplementedError


@hookimpl(
    exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.sampler_logprob_gather:sampler_logprob_gather"
)
def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logprobs of requested tokens; see `syncfree.hooks.sampler_logprob_gather`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.dp_all_reduce:dp_all_reduce")
def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """Every rank's few integers on every rank; see `syncfree.hooks.dp_all_reduce`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, implementation=f"{_HERE}.progress_reporting:progress_reporting")
def progress_reporting(
    iterable: Iterable[Any] | None,
    total: int | None,
    rank: int | None,
    bar: Callable[..., Any],
    options: Mapping[str, Any],
) -> Any:
    """One progress bar per job; see `syncfree.hooks.progress_reporting`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.pooling_token_types:pooling_token_types")
def pooling_token_types(lengths: Sequence[int], second: Mapping[int, tuple[int, int]], device: torch.device) -> torch.Tensor:
    """Token types of text pairs; see `syncfree.hooks.pooling_token_types`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.fast_prefill_padding:fast_prefill_padding")
def fast_prefill_padding(buffer: torch.Tensor, indices: torch.Tensor) -> None:
    """Padding of a step's indices; see `syncfree.hooks.fast_prefill_padding`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.draft_reorder:draft_reorder")
def draft_reorder(states: tuple[torch.Tensor, ...], source: Sequence[int], destination: Sequence[int]) -> None:
    """Rows that move with their requests; see `syncfree.hooks.draft_reorder`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.penalty_state_reset:penalty_state_reset")
def penalty_state_reset(states: tuple[torch.Tensor, ...], rows: torch.Tensor) -> None:
    """Penalty state of new requests; see `syncfree.hooks.penalty_state_reset`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.bad_words_mask:bad_words_mask")
def bad_words_mask(logits: torch.Tensor, words: Mapping[int, Sequence[list[int]]], past: Sequence[list[int]]) -> None:
    """Tokens that would complete a bad word; see `syncfree.hooks.bad_words_mask`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.lora_mapping:lora_mapping")
def lora_mapping(adapter_of_token: Sequence[int] | np.ndarray[Any, Any], tensors: LoRATensors) -> int:
    """Tokens by LoRA adapter; see `syncfree.hooks.lora_mapping`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.conv_metadata:conv_metadata")
def conv_metadata(offsets: torch.Tensor, known: Iterable[tuple[torch.Tensor, Any]]) -> Any:
    """Launch metadata made once per step; see `syncfree.hooks.conv_metadata`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.rotary_embedding:rotary_embedding")
def rotary_embedding(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys rotated; see `syncfree.hooks.rotary_embedding`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.qk_norm:qk_norm")
def qk_norm(
    q: torch.Tensor,
    k: torch.Tensor,
    q_weight: torch.Tensor,
    k_weight: torch.Tensor,
    eps: float,
    fused: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys normalized; see `syncfree.hooks.qk_norm`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.vae_decode:vae_decode")
def vae_decode(
    decode_chunk: Callable[[int], torch.Tensor], chunks: int, finish: Callable[[torch.Tensor], torch.Tensor] | None
) -> torch.Tensor:
    """A clip from its chunks; see `syncfree.hooks.vae_decode`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.postprocess:postprocess")
def postprocess(decoded: torch.Tensor) -> torch.Tensor:
    """Frames scaled to [0, 1]; see `syncfree.hooks.postprocess`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, implementation=f"{_HERE}.sampler_staged_writes:sampler_staged_writes")
def sampler_staged_writes(changed: bool, write: Callable[[], None], always: Sequence[Callable[[], None]]) -> None:
    """Sampling parameters that changed; see `syncfree.hooks.sampler_staged_writes`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.output_token_matrix:output_token_matrix")
def output_token_matrix(output_token_ids: Sequence[list[int]], vocab_size: int, device: torch.device) -> torch.Tensor:
    """Generated tokens as one matrix; see `syncfree.hooks.output_token_matrix`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.stop_token_mask:stop_token_mask")
def stop_token_mask(
    logits: torch.Tensor,
    masked: tuple[torch.Tensor, torch.Tensor],
    restored: tuple[torch.Tensor, torch.Tensor],
    value: torch.Tensor,
) -> None:
    """Stop tokens that cannot be sampled yet; see `syncfree.hooks.stop_token_mask`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.pooled_rows:pooled_rows")
def pooled_rows(pooled: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """Finished rows of a pooling batch; see `syncfree.hooks.pooled_rows`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.draft_handover:draft_handover")
def draft_handover(target: torch.Tensor, drafts: torch.Tensor, kept: Sequence[int], rows: Sequence[int]) -> None:
    """Drafts between pipeline stages; see `syncfree.hooks.draft_handover`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.lora_indices:lora_indices")
def lora_indices(
    of_token: np.ndarray[Any, Any],
    of_prompt: np.ndarray[Any, Any],
    max_loras: int,
    scales: Sequence[int],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Index tensors of LoRA adapters; see `syncfree.hooks.lora_indices`."""
    raise NotImplementedError
