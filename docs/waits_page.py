"""The page of the waits of real engines: what the last recorded runs of `nox -s dry_run_engines` counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.dry_run_engines import records

HEAD = """# Waits of real engines

Written by `python -m docs` from the records of `nox -s dry_run_engines -- --record`; do not edit. Counted in the [dry run](dry-run.md):
released wheels for CUDA, with their own CUDA code and PyTorch's, on a machine without a GPU. In vLLM a tiny model serves three requests,
and a fourth that joins later; waits are those of all threads, from the first step to the last. Of two tensor-parallel (TP), pipeline (PP)
or data-parallel (DP) ranks each worker process is a row. In diffusers each scheduler steps through one request with random model
outputs, its `set_timesteps` in the first step, and tiny pipelines generate once; all values are computed. In SGLang two Ulysses ranks
generate a tiny Wan video, with SGLang's own PyTorch form of each fused kernel. Its language engine serves eight requests of a tiny
Llama, counted in the process of its scheduler; of *language models*, the functions that read the logprobs of named tokens, prepare a
batch's sampling and apply it are bound and called in their own modules, without the rest of the engine.
The dry run says nothing of how long a wait is.

## With our hooks and without

*at its sites*: waits in the functions that the hook is about; a hook with 0 there saves the host's time, not waits, by fewer uploads
for instance, which are not among the launches. *all waits* and launches are those of an average step, the engine's own waits included.
In every row the hook was called. Requests of vLLM are given their tokens, because the counts are not about these.

| release | engine | case | hook | steps | at its sites: off | on | all waits: off | on | launches: off | on |
|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|
"""
REMAINING = """
## What still waits

With our hooks on, by function, per average step of the case that waits most. *by design*: how the engine gets a step's result to the
host, once the next step is queued; the GPU has work meanwhile.

| waits per step | where | operator | release, engine | cases | |
|---:|---|---|---|---|---|
"""
ENGINES = """
## Engines

| release | engine | torch | capability | seconds to start | values | not computed | date |
|---|---|---|---|---:|---|---|---|
"""
DESIGNED = {
    "vllm/v1/worker/gpu_model_runner.py synchronize_input_prep": "by design: the previous step's inputs have been read",
    "vllm/v1/worker/gpu_model_runner.py get_output": "by design: the step's tokens",
    "vllm/v1/worker/gpu/async_utils.py get_output": "by design: the step's tokens",
    "sglang/srt/managers/scheduler_components/batch_result_processor.py process_batch_result_decode": "by design: the step's tokens",
    "sglang/srt/managers/scheduler_components/batch_result_processor.py process_batch_result_prefill": "by design: the step's tokens",
    "vllm/v1/worker/gpu_input_batch.py update_async_output_token_ids": "by design: the last step's tokens, for penalties",
}
"""Waits that the engines make on purpose, by their ``file function``."""


@dataclass(slots=True)
class _Remaining:
    """A place that still waits, over all records of its release."""

    at: str
    operator: str
    most: float = 0.0
    engines: dict[str, None] = field(default_factory=dict)
    cases: dict[str, None] = field(default_factory=dict)


def page() -> str:
    """Return the page for the current records."""
    found = records.load()
    rows = [_row(engine, case) for engine in found for case in engine["cases"] if case["hook"] is not None]
    return f"{HEAD}{''.join(rows)}{REMAINING}{''.join(map(_line, _remaining(found)))}{''.join(_unreal(found))}"


def _row(engine: dict[str, Any], case: dict[str, Any]) -> str:
    off, on, steps = case["off"], case["on"], case["steps"]
    at_sites = (records.waits_at(of["sites"], case["hook_sites"]) for of in (off, on))
    waits = (f"{of['waits'] / steps:.2f}" for of in (off, on))
    launches = (of["launches_per_step"] for of in (off, on))
    hook = f"[`{case['hook']}`](hooks.md#{case['hook']})"
    return _cells(_release(engine), engine["engine"], case["case"], hook, steps, *at_sites, *waits, *launches)


def _remaining(found: list[dict[str, Any]]) -> list[_Remaining]:
    places: dict[tuple[str, ...], _Remaining] = {}
    for engine in found:
        for case in engine["cases"]:
            waits: Counter[tuple[str, ...]] = Counter()
            for site in case["on"]["sites"]:
                key = (engine["framework"], records.place(site["at"]), site["operator"])
                waits[key] += site["waits"]
                places.setdefault(key, _Remaining(site["at"], site["operator"])).at = site["at"]
            for key, number in waits.items():
                place = places[key]
                place.most = max(place.most, number / case["steps"])
                place.engines[f"{_release(engine)} {engine['engine']}"] = None
                place.cases[case["case"]] = None
    return sorted(places.values(), key=lambda place: (-place.most, place.at))


def _line(place: _Remaining) -> str:
    cases = ", ".join(place.cases) if len(place.cases) <= 4 else f"{len(place.cases)} cases"
    reason = DESIGNED.get(records.place(place.at), "")
    return _cells(f"{place.most:.2f}", f"`{place.at}`", f"`{place.operator}`", "; ".join(place.engines), cases, reason)


def _unreal(found: list[dict[str, Any]]) -> Iterator[str]:
    """Tabulate the engines: for each, among others, which of its values were not computed."""
    yield ENGINES
    for engine in found:
        values = "computed" if engine["values"] else "none"
        unreal = ", ".join(f"`{name}`" for name in engine["unreal"])
        rest = (engine["torch"], engine["capability"], engine["start_seconds"], values, unreal, engine["date"])
        yield _cells(_release(engine), engine["engine"], *rest)


def _release(engine: dict[str, Any]) -> str:
    return f"{engine['framework']} {engine['release']}"


def _cells(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"
