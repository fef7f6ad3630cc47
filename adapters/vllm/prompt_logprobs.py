"""``GPUModelRunner._get_prompt_logprobs_dict`` of Model Runner V1: `SamplingParams.prompt_logprobs`.

Upstream uploads the whole prompt in each step of its prefill and ends with a wait for the device. With async scheduling nobody
reads the result before the step's output has been waited for: `AsyncGPUModelRunnerOutput` records its event on a stream that
waits for this one, after these copies, and its `get_output` waits for the event. So that wait is left out. Without async
scheduling the output is read at once, and upstream's wait stays.

A prompt that upstream's code began, before a switch, is finished in the pageable memory that it has up to 0.28, with its waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Compose, Form


class _OfBatch:
    """Up to 0.20: what is known of unfinished prompts is kept by request id."""

    @staticmethod
    def get(runner: Any, request_id: str) -> Any:
        return runner.input_batch.in_progress_prompt_logprobs_cpu.get(request_id)

    @staticmethod
    def put(runner: Any, request_id: str, tensors: Any) -> None:
        runner.input_batch.in_progress_prompt_logprobs_cpu[request_id] = tensors

    @staticmethod
    def drop(runner: Any, request_id: str) -> None:
        del runner.input_batch.in_progress_prompt_logprobs_cpu[request_id]


class _OfRequest:
    """From 0.21: it is kept on the request."""

    @staticmethod
    def get(runner: Any, request_id: str) -> Any:
        return runner.requests[request_id].in_progress_prompt_logprobs_cpu

    @staticmethod
    def put(runner: Any, request_id: str, tensors: Any) -> None:
        runner.requests[request_id].in_progress_prompt_logprobs_cpu = tensors

    @staticmethod
    def drop(runner: Any, request_id: str) -> None:
        runner.requests[request_id].in_progress_prompt_logprobs_cpu = None


def _logprobs(runner: Any, logits: Any) -> Any:
    """Up to 0.25: whatever the mode."""
    return runner.sampler.compute_logprobs(logits)


def _scores(runner: Any, logits: Any) -> Any:
    """From 0.26: what `logprobs_mode` asks for."""
    if runner.model_config.logprobs_mode in ("raw_logits", "processed_logits"):
        return logits.float()
    return runner.sampler.compute_logprobs(logits)


def _composing(in_progress: Any, scores: Callable[[Any, Any], Any]) -> Compose:
    def compose(copy_logprobs: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        vllm = upstream.__globals__

        def _get_prompt_logprobs_dict(self: Any, hidden_states: Any, num_scheduled_tokens: dict[str, int]) -> Any:
            if not self.num_prompt_logprobs or hidden_states.device.type not in ("cuda", "cpu"):
                return NotImplemented

            finished = {}
            for request_id, count in self.num_prompt_logprobs.items():
                scheduled = num_scheduled_tokens.get(request_id)
                if scheduled is None:
                    continue  # preempted
                request = self.requests[request_id]
                if request.prompt_token_ids is None:
                    continue  # a prompt of embeddings
                begin, last = request.num_computed_tokens, len(request.prompt_token_ids) - 1
                tensors = in_progress.get(self, request_id)
                if tensors is None:
                    tensors = _host_tensors(vllm, last, count + 1, hidden_states.is_cuda)
                    in_progress.put(self, request_id, tensors)
                if begin + scheduled > last:
                    finished[request_id] = tensors
                end = min(begin + scheduled, last)
                if end <= begin:
                    continue
                offset = self.query_start_loc.np[self.input_batch.req_id_to_index[request_id]].item()

                def score(hidden: Any, ids: Any, count: int = count) -> Any:
                    found = scores(self, self.model.compute_logits(hidden))
                    return self.sampler.gather_logprobs(found, count, ids)[:3]

                targets = tuple(tensor[begin:end] for tensor in tensors[:3])
                positions = hidden_states[offset : offset + end - begin]
                if copy_logprobs(positions, request.prompt_token_ids[begin + 1 : end + 1], score, targets) is NotImplemented:
                    return NotImplemented  # upstream fills the same tensors, from the first prompt on
            for request_id in finished:
                del self.num_prompt_logprobs[request_id]
                in_progress.drop(self, request_id)
            if finished and not _output_is_waited_for(self, vllm):
                self._sync_device()
            return finished

        return _get_prompt_logprobs_dict

    return compose


def _output_is_waited_for(runner: Any, vllm: dict[str, Any]) -> bool:
    """Return whether the step's output is read after its event. A runner of another platform may return another one."""
    return runner.use_async_scheduling and type(runner).sample_tokens is vllm["GPUModelRunner"].sample_tokens


def _host_tensors(vllm: dict[str, Any], positions: int, width: int, pinned: bool) -> Any:
    """Return what `LogprobsTensors.empty_cpu` makes, in pinned memory, as it does itself from 0.29."""
    torch = vllm["torch"]
    shape = (positions, width)
    return vllm["LogprobsTensors"](
        torch.empty(shape, dtype=torch.int32, device="cpu", pin_memory=pinned),
        torch.empty(shape, dtype=torch.float32, device="cpu", pin_memory=pinned),
        torch.empty(positions, dtype=torch.int32, device="cpu", pin_memory=pinned),
    )


_PAGEABLE = "three copies to pageable memory for each prompt and step, and a wait for the device when a prompt is finished"

BINDING = Binding(
    hook="prompt_logprobs",
    targets=("vllm.v1.worker.gpu_model_runner:GPUModelRunner._get_prompt_logprobs_dict",),
    depends=(
        "vllm.v1.outputs:LogprobsTensors.empty_cpu",
        "vllm.v1.worker.gpu_model_runner:AsyncGPUModelRunnerOutput.__init__",
        "vllm.v1.worker.gpu_model_runner:AsyncGPUModelRunnerOutput.get_output",
        "vllm.v1.worker.gpu_model_runner:GPUModelRunner.sample_tokens",
    ),
    forms=(
        Form(
            releases=">=0.18.1,<0.21",
            status="stalls",
            why=_PAGEABLE,
            compose=(_composing(_OfBatch, _logprobs),),
        ),
        Form(
            releases=">=0.21.0,<0.26",
            status="stalls",
            why=_PAGEABLE,
            compose=(_composing(_OfRequest, _logprobs),),
        ),
        Form(
            releases=">=0.26.0,<0.29",
            status="stalls",
            why=_PAGEABLE,
            compose=(_composing(_OfRequest, _scores),),
        ),
        Form(
            releases=">=0.29.0",
            status="stalls",
            why="a wait for the device when a prompt is finished, although the step's output is waited for later",
            compose=(_composing(_OfRequest, _scores),),
        ),
    ),
    note="Model Runner V1 only; without async scheduling the host still waits once for the finished prompts of a step",
)
