"""SGLang on its CUDA platform: diffusion on two Ulysses ranks over the stub of NCCL, and functions of its language engine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines.sglang.engine import free_port
from tests.environments import cuda_release, develop, unpacked, wheel
from tests.models import tiny_model

from . import records
from .records import Expected
from .running import PROGRAMS, run

ROOT = Path(__file__).parents[2]
SCHEDULERS = "sglang/multimodal_gen/runtime/models/schedulers/"
RELEASES = ("0.5.11", "0.5.17", "0.5.23")
HOOKS = {"schedule_upload": 2, "scheduler_step": 0}
"""Hooks that are bound and called in a request to Wan in each release, and how many waits each saves."""

SCORING, DECODING = "get_token_ids_logprobs_batch_optimized", "get_token_ids_logprobs"
"""Functions of its language engine that read the logprobs of named tokens."""
BOUND = "adapters/sglang_srt/sampler_logprob_gather/decoding.py get_token_ids_logprobs"
LANGUAGE_ENGINE = {
    "0.5.9": {"layers/sampler.py": {SCORING: (6, 0)}, "layers/utils/logprob.py": {DECODING: (6, 1)}},
    "0.5.15": {"layers/sampler.py": {SCORING: (6, 0)}, "layers/utils/logprob.py": {DECODING: (3, 1)}},
    "0.5.20": {"layers/logprob_processor.py": {SCORING: (6, 0), DECODING: (3, 1)}},
    "0.5.23": {"layers/logprob_processor.py": {DECODING: (3, 1)}},
}
"""By release and file: functions, with the waits for a batch of four requests, of which three name tokens: off and on.

Values of the second one are read on the host, which its callers ask for in 0.5.9 only: without that nothing waits from 0.5.10 on.
"""


def counted(version: str, folder: Path, *, hooks: bool) -> dict[str, Any]:
    folder.mkdir()
    python = cuda_release("sglang", version, wheel())
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, (PROGRAMS / "sglang_probe", PROGRAMS, ROOT))),
        "SGLANG_DIFFUSION_IPC_A2A": "false",  # over memory that ranks share on a GPU, which the dry run has none of
        "SYNC_AUDIT_DRY_RUN_DEVICES": "2",
    }
    arguments = (tiny_model("wan"), free_port(), *HOOKS)
    return run(python, "sglang_engine", folder, *arguments, hooks=hooks, values=True, **variables)


@pytest.mark.parametrize("version", RELEASES)
def test_two_ranks_make_the_same_video_without_the_waits_of_the_hooks(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    off, on = (counted(version, tmp_path / name, hooks=name == "on") for name in ("off", "on"))
    rows = []
    for rank in ("rank 0", "rank 1"):
        without, with_hooks = off["cases"][rank], on["cases"][rank]
        assert with_hooks["generated"] == without["generated"]
        for hook, waits in HOOKS.items():
            places = {records.place(site["at"]) for site in without["sites"] if site["at"].startswith(SCHEDULERS)}
            sites = tuple(sorted(places)) if waits else ()
            one, other = (told | {"calls": told["calls"][hook]} for told in (without, with_hooks))
            expected = Expected(f"Wan, {rank}", hook, waits, sites)
            rows.append(records.row(expected, one, other))
            records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("sglang", version, "diffusion, 2 Ulysses ranks", on["about"], rows)


@pytest.mark.parametrize("version", list(LANGUAGE_ENGINE))
def test_the_logprobs_of_named_tokens_are_read_without_the_waits_of_upstream(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rows = []
    for file, functions in LANGUAGE_ENGINE[version].items():
        module = f"sglang/srt/{file}".removesuffix(".py").replace("/", ".")
        off, on = (named_tokens(version, module, list(functions), tmp_path / f"{module}-{how}", how) for how in ("off", "on"))
        for name, (waits, left) in functions.items():
            without, with_hook = off["cases"][name], on["cases"][name]
            assert (without["generated"], with_hook["generated"]) == (True, True)
            upstream = {records.place(site["at"]) for site in without["sites"]}
            assert all(place.startswith("sglang/srt/") for place in upstream)
            sites = (*sorted(upstream), *([BOUND] if left else []))
            case = {SCORING: "logprobs of named tokens, prefill-only", DECODING: "logprobs of named tokens, read on the host"}[name]
            expected = Expected(case, "sampler_logprob_gather", waits, sites, left)
            rows.append(records.row(expected, without, with_hook))
            records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("sglang", version, "language models", on["about"], rows)


def named_tokens(version: str, module: str, functions: list[str], folder: Path, how: str) -> dict[str, Any]:
    """Call functions of a module of the language engine, with the adapter or without."""
    folder.mkdir()
    path = os.pathsep.join(map(str, (PROGRAMS, ROOT, unpacked("sglang", version))))
    return run(
        develop(cuda=True), "sglang_scoring", folder, module, *functions, hooks=how == "on", values=True, PYTHONPATH=path
    )


BATCHES, PENALTIES = "sglang/srt/sampling/sampling_batch_info.py", "sglang/srt/sampling/penaltylib/"
PREPARED = (
    *(f"{PENALTIES}{kind}.py _prepare" for kind in ("frequency_penalty", "min_new_tokens", "presence_penalty")),
    f"{PENALTIES}min_new_tokens.py <listcomp>",  # stop tokens, request by request
)
BIASES = Expected("new batch, 3 logit biases per request", "sampling_parameters", 12, (f"{BATCHES} from_schedule_batch",))
SAMPLER = "sglang/srt/layers/sampler.py"
PROCESSORS = Expected(
    "custom logit processor of 2 requests",
    "custom_logit_processor",
    5,
    (f"{SAMPLER} apply_custom_logit_processor", f"{SAMPLER} <listcomp>"),  # the rows' parameters, request by request
)
SAMPLING: dict[str, dict[str, Expected]] = {
    "0.5.9": {
        "biases": replace(BIASES, waits=16),
        "penalties": Expected("new batch, all penalties", "sampling_parameters", 7, PREPARED),
        "min_tokens": Expected("min_new_tokens", "min_tokens_penalty", 3, (f"{PENALTIES}min_new_tokens.py _apply",)),
        "processors": PROCESSORS,
    },
    "0.5.20": {
        "biases": BIASES,
        "penalties": Expected(
            "new batch, all penalties", "sampling_parameters", 8, (*PREPARED, f"{PENALTIES}repetition_penalty.py _prepare")
        ),
        "processors": PROCESSORS,
    },
}
"""By release and name in `programs/sglang_sampling.py`; four requests."""


@pytest.mark.parametrize("version", list(SAMPLING))
def test_what_requests_ask_of_the_sampler_costs_no_waits_of_upstream(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = os.pathsep.join(map(str, (PROGRAMS, ROOT, unpacked("sglang", version))))
    asked = [f"{case}={expected.hook}" for case, expected in SAMPLING[version].items()]
    off, on = (
        run(develop(cuda=True), "sglang_sampling", made(tmp_path / how), *asked, hooks=how == "on", values=True, PYTHONPATH=path)
        for how in ("off", "on")
    )
    rows = []
    for case, expected in SAMPLING[version].items():
        assert on["cases"][case]["generated"] == off["cases"][case]["generated"]
        rows.append(records.row(expected, off["cases"][case], on["cases"][case]))
        records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("sglang", version, "language models, sampling", on["about"], rows)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
