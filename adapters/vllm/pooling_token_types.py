"""``_init_model_kwargs`` of Model Runner V1: token types of cross-encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _lengths_of_buffer(runner: Any, count: int) -> list[int]:
    return runner.seq_lens.np[:count].tolist()  # type: ignore[no-any-return]


def _lengths(runner: Any, count: int) -> list[int]:
    """Return what the host knows; exact for pooling models, which do not speculate."""
    return runner.optimistic_seq_lens_cpu[:count].tolist()  # type: ignore[no-any-return]


def _model_kwargs(runner: Any, token_types: Callable[..., Any], lengths: Callable[[Any, int], list[int]]) -> dict[str, Any]:
    if not runner.is_pooling_model:
        return {}
    starts = {}
    for request, parameters in enumerate(runner.input_batch.get_pooling_params()):
        if parameters.extra_kwargs is not None:
            start = parameters.extra_kwargs.get("compressed_token_type_ids")
            if start is not None:
                starts[request] = start
    if not starts:
        return {}
    of_requests = lengths(runner, runner.input_batch.num_reqs)
    second = {request: _range(start, of_requests[request]) for request, start in starts.items()}
    types = token_types(of_requests, second, runner.device)
    return NotImplemented if types is NotImplemented else {"token_type_ids": types}


def _range(start: int | tuple[int, int], length: int) -> tuple[int, int]:
    return (start, length) if isinstance(start, int) else start


def _compose_from(lengths: Callable[[Any, int], list[int]]) -> Callable[..., Any]:
    def compose(token_types: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        def _init_model_kwargs(self: Any) -> Any:
            return _model_kwargs(self, token_types, lengths)

        return _init_model_kwargs

    return compose


def _compose_with_lookback(token_types: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.30; models that look back at earlier tokens are left to upstream."""

    def _init_model_kwargs(self: Any, num_reqs: int | None = None) -> Any:
        if self.lookback_token_ids is not None:
            return NotImplemented
        return _model_kwargs(self, token_types, _lengths)

    return _init_model_kwargs


_STALLS = "reads every sequence length back and waits for one upload, for poolers with token types"
BINDING = Binding(
    hook="pooling_token_types",
    targets=("vllm.v1.worker.gpu_model_runner:GPUModelRunner._init_model_kwargs",),
    forms=(
        Form(">=0.18.1,<0.19", "stalls", _STALLS, (_compose_from(_lengths_of_buffer),)),
        Form(">=0.19.0,<0.22", "stalls", _STALLS, (_compose_from(_lengths),)),
        Form(">=0.22.0,<0.30", "upstreamed", "vLLM #41429 uses lengths on the host", (_compose_from(_lengths),)),
        Form(">=0.30.0", "upstreamed", "vLLM #41429 uses lengths on the host", (_compose_with_lookback,)),
    ),
    note="Model Runner V1 only",
)
