"""`prompt_logprobs`: against the reference, and bound against the real method of vLLM releases, with prompts in chunks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from syncfree.adapters.vllm.prompt_logprobs import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.prompt_logprobs import HOOK, inputs
from syncfree.plugins.sync_free.prompt_logprobs import prompt_logprobs

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, SWEPT, define, form_of, sampler, upload

METHOD = "_get_prompt_logprobs_dict"
VOCABULARY, BEST = 11, 2
WEIGHTS = torch.linspace(-2, 3, 4 * VOCABULARY).view(4, VOCABULARY).sin()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", (*RELEASES, *(SWEPT if metafunc.config.getoption("--sweep") else ())))


class World:
    """The real functions of one release, and model runners on which they run."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.of_batch = Version(release) < Version("0.21")
        namespace = sampler(release, "gather_logprobs", "compute_logprobs")
        namespace.update(
            PIN_MEMORY=torch.cuda.is_available(),
            async_tensor_h2d=lambda data, device: upload(data, torch.int64, torch.device(device)),
            GPUModelRunner=Runner,
        )
        define(release, "v1.worker.gpu_model_runner", [f"GPUModelRunner.{METHOD}"], namespace)
        self.namespace, self.upstream = namespace, namespace[METHOD]
        (compose,) = form_of(BINDING, release).compose or ()
        self.bound = compose(prompt_logprobs, self.upstream)

    def runner(self, prompts: list[list[int] | None], device: str = "cpu", asynchronous: bool = True, mode: str = "raw_logprobs") -> Any:
        return Runner(self, prompts, device, asynchronous, mode)

    def output(self, step: Any, sampled: torch.Tensor) -> Any:
        """The step's output as `sample_tokens` makes it."""
        name = "AsyncGPUModelRunnerOutput"
        namespace = define(self.release, "v1.worker.gpu_model_runner", [name], {"torch": torch, "AsyncModelRunnerOutput": object})
        return namespace[name](step, sampled, None, [], torch.cuda.Stream(), VOCABULARY)


class Runner:
    """The state of a model runner that the method uses. Every second request asks for one log-probability less."""

    def __init__(self, world: World, prompts: list[list[int] | None], device: str, asynchronous: bool, mode: str) -> None:
        names = [f"request-{index}" for index in range(len(prompts))]
        self.device, self.use_async_scheduling = torch.device(device), asynchronous
        self.requests = {
            name: SimpleNamespace(prompt_token_ids=prompt, num_computed_tokens=0, in_progress_prompt_logprobs_cpu=None)
            for name, prompt in zip(names, prompts, strict=True)
        }
        self.num_prompt_logprobs = {name: BEST - index % 2 for index, name in enumerate(names)}
        self.input_batch = SimpleNamespace(
            in_progress_prompt_logprobs_cpu={}, req_id_to_index={name: index for index, name in enumerate(names)}
        )
        self.query_start_loc = SimpleNamespace(np=np.zeros(len(names) + 1, dtype=np.int32))
        self.model_config = SimpleNamespace(logprobs_mode=mode)
        self.sampler = SimpleNamespace(**{name: world.namespace[name] for name in ("gather_logprobs", "compute_logprobs")})
        weights = WEIGHTS.to(self.device)
        self.model = SimpleNamespace(compute_logits=lambda hidden: hidden @ weights)
        self.waited = 0

    def sample_tokens(self) -> None:
        """Stands for the method that returns the step's output."""

    def _sync_device(self) -> None:
        self.waited += 1
        torch.accelerator.synchronize() if self.device.type == "cuda" else None

    def schedule(self, sizes: list[int | None]) -> tuple[torch.Tensor, dict[str, int]]:
        """The arguments of a step that computes so many tokens of each request; None for one that is preempted."""
        self.query_start_loc.np[1:] = np.cumsum([size or 0 for size in sizes])
        count = int(self.query_start_loc.np[-1])
        hidden = torch.arange(4.0 * count).view(count, 4).cos().to(self.device)
        return hidden, {name: size for name, size in zip(self.requests, sizes, strict=True) if size is not None}

    def advance(self, scheduled: dict[str, int]) -> None:
        for name, size in scheduled.items():
            self.requests[name].num_computed_tokens += size


class RunnerOfAnotherPlatform(Runner):
    """One that overrides what returns the output."""

    def sample_tokens(self) -> None:
        pass


@settings(max_examples=100, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(prompt_logprobs, call), outcome(HOOK.reference, call))


TOKENS = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=6)
PROMPTS = st.lists(st.none() | TOKENS, min_size=1, max_size=3)


def test_bound_it_returns_what_upstream_returns_in_every_step(release: str) -> None:
    world = World(release)

    @settings(max_examples=100, deadline=None)
    @given(PROMPTS, st.data(), st.booleans(), st.sampled_from(["raw_logprobs", "raw_logits"]))
    def equal(prompts: list[list[int] | None], data: st.DataObject, asynchronous: bool, mode: str) -> None:
        ours, theirs = (world.runner(prompts, asynchronous=asynchronous, mode=mode) for _ in range(2))
        for _ in range(4):
            sizes = data.draw(st.lists(st.none() | st.integers(1, 4), min_size=len(prompts), max_size=len(prompts)))
            arguments, their_arguments = ours.schedule(sizes), theirs.schedule(sizes)
            expected = world.upstream(theirs, *their_arguments)
            found = world.bound(ours, *arguments)
            if found is NotImplemented:
                assert not ours.num_prompt_logprobs
                found = world.upstream(ours, *arguments)
            assert list(found) == list(expected)
            assert same([tuple(one) for one in found.values()], [tuple(one) for one in expected.values()])
            assert ours.num_prompt_logprobs == theirs.num_prompt_logprobs
            assert unfinished(ours, world) == unfinished(theirs, world)
            ours.advance(arguments[1])
            theirs.advance(arguments[1])
        assert ours.waited == (0 if asynchronous else theirs.waited)

    equal()


def unfinished(runner: Any, world: World) -> list[str]:
    """The requests of which a part has been scored."""
    if world.of_batch:
        return list(runner.input_batch.in_progress_prompt_logprobs_cpu)
    return [name for name, request in runner.requests.items() if request.in_progress_prompt_logprobs_cpu is not None]


def test_switched_in_the_middle_of_a_prompt_the_rest_is_added_to_what_is_there(release: str) -> None:
    world = World(release)
    prompt = [3, 1, 4, 1, 5, 9]
    whole = world.runner([prompt])
    (expected,) = world.upstream(whole, *whole.schedule([6])).values()
    for first, second in ((world.upstream, world.bound), (world.bound, world.upstream)):
        runner = world.runner([prompt])
        hidden, _ = runner.schedule([6])
        assert first(runner, hidden[:3], {"request-0": 3}) == {}
        runner.advance({"request-0": 3})
        (found,) = second(runner, hidden[3:], {"request-0": 3}).values()
        assert same(tuple(found), tuple(expected))


def test_an_implementation_that_declines_leaves_the_step_to_upstream(release: str) -> None:
    world = World(release)
    (compose,) = form_of(BINDING, release).compose or ()
    declining = compose(lambda *_: NotImplemented, world.upstream)
    ours, theirs = world.runner([[1, 2, 3]]), world.runner([[1, 2, 3]])
    arguments = ours.schedule([3])
    assert declining(ours, *arguments) is NotImplemented
    found, expected = world.upstream(ours, *arguments), world.upstream(theirs, *arguments)
    assert same([tuple(one) for one in found.values()], [tuple(one) for one in expected.values()])


def test_a_runner_that_returns_another_output_waits_as_upstream_does(release: str) -> None:
    world = World(release)
    runner = RunnerOfAnotherPlatform(world, [[1, 2, 3]], "cpu", True, "raw_logprobs")
    assert world.bound(runner, *runner.schedule([3]))
    assert runner.waited == 1


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    world = World(release)
    prompts: list[list[int] | None] = [[3, 1, 4, 1, 5], [9, 2]]
    with allow("made outside of the call"):
        runner, expected = world.runner(prompts, "cuda"), world.runner(prompts)
    found = []
    for sizes in ([2, 2], [3, None]):
        with allow("made outside of the call"):
            arguments = runner.schedule(sizes)
        found.append(world.bound(runner, *arguments))
        runner.advance(arguments[1])
    with allow("vLLM waits for the event of the step's output before it reads them"):
        torch.cuda.synchronize()
    for ours, sizes in zip(found, ([2, 2], [3, None]), strict=True):
        arguments = expected.schedule(sizes)
        theirs = world.upstream(expected, *arguments)
        expected.advance(arguments[1])
        assert list(ours) == list(theirs)
        assert same([tuple(one) for one in ours.values()], [tuple(one) for one in theirs.values()])
    assert [list(one) for one in found] == [["request-1"], ["request-0"]]


@pytest.mark.sync_budget(1, poison=True)
def test_the_wait_for_the_steps_output_is_the_only_one_and_covers_the_copies(
    release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM's own output of a step, whose event is recorded on a stream of copies."""
    monkeypatch.setattr(torch, "Event", torch.cuda.Event)  # up to 0.24; the simulated device has events of CUDA only
    world, prompt = World(release), [3, 1, 4, 1, 5]
    with allow("made outside of the call"):
        runner, expected = world.runner([prompt], "cuda"), world.runner([prompt])
        arguments, sampled = runner.schedule([5]), torch.tensor([[7]], device="cuda")
    (theirs,) = world.upstream(expected, *expected.schedule([5])).values()
    found = world.bound(runner, *arguments)
    step = SimpleNamespace(prompt_logprobs_dict=found)
    output = world.output(step, sampled)
    (ours,) = found.values()
    assert not same(tuple(ours), tuple(theirs)), "what is not there yet can be read"
    (ours,) = output.get_output().prompt_logprobs_dict.values()
    assert same(tuple(ours), tuple(theirs))
    assert step.sampled_token_ids == [[7]]


def test_upstream_waits_for_each_copy_until_029_and_always_for_the_device(release: str, sync_audit: Report) -> None:
    world = World(release)
    with allow("made outside of the call"):
        runner = world.runner([[3, 1, 4], [9, 2]], "cuda")
        arguments = runner.schedule([3, 2])
    world.upstream(runner, *arguments)
    copies = 6 if Version(release) < Version("0.29") else 0
    assert sync_audit.count == copies + 1


def test_without_async_scheduling_it_waits_once_for_the_finished_prompts(release: str, sync_audit: Report) -> None:
    world = World(release)
    with allow("made outside of the call"):
        runner = world.runner([[3, 1, 4], [9, 2]], "cuda", asynchronous=False)
        arguments = runner.schedule([3, 2])
    world.bound(runner, *arguments)
    assert sync_audit.count == 1
