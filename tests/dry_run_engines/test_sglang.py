"""SGLang diffusion on its CUDA platform, two Ulysses ranks over the stub of NCCL: waits with hooks off and on, the same frames."""

from __future__ import annotations

import os
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
HOOKS = {
    "0.5.11": {"schedule_upload": 2, "scheduler_step": 0},
    "0.5.17": {"schedule_upload": 2, "scheduler_step": 0},
    "0.5.23": {"schedule_upload": 2},
}
"""By release: hooks that are bound and called in a request to Wan, and how many waits each saves."""

SCORING = {
    "0.5.9": "sglang/srt/layers/sampler.py",
    "0.5.15": "sglang/srt/layers/sampler.py",
    "0.5.20": "sglang/srt/layers/logprob_processor.py",
}
"""Where a release has the function that reads them."""


def counted(version: str, folder: Path, *, hooks: bool) -> dict[str, Any]:
    folder.mkdir()
    python = cuda_release("sglang", version, wheel())
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, (PROGRAMS / "sglang_probe", PROGRAMS, ROOT))),
        "SGLANG_DIFFUSION_IPC_A2A": "false",  # over memory that ranks share on a GPU, which the dry run has none of
        "SYNC_AUDIT_DRY_RUN_DEVICES": "2",
    }
    arguments = (tiny_model("wan"), free_port(), *HOOKS[version])
    return run(python, "sglang_engine", folder, *arguments, hooks=hooks, values=True, **variables)


@pytest.mark.parametrize("version", list(HOOKS))
def test_two_ranks_make_the_same_video_without_the_waits_of_the_hooks(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    off, on = (counted(version, tmp_path / name, hooks=name == "on") for name in ("off", "on"))
    rows = []
    for rank in ("rank 0", "rank 1"):
        without, with_hooks = off["cases"][rank], on["cases"][rank]
        assert with_hooks["generated"] == without["generated"]
        for hook, waits in HOOKS[version].items():
            places = {records.place(site["at"]) for site in without["sites"] if site["at"].startswith(SCHEDULERS)}
            sites = tuple(sorted(places)) if waits else ()
            one, other = (told | {"calls": told["calls"][hook]} for told in (without, with_hooks))
            expected = Expected(f"Wan, {rank}", hook, waits, sites)
            rows.append(records.row(expected, one, other))
            records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("sglang", version, "diffusion, 2 Ulysses ranks", on["about"], rows)


@pytest.mark.parametrize("version", list(SCORING))
def test_the_logprobs_of_named_tokens_wait_six_times_for_a_batch(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No hook is bound in SGLang's language models: this is what waits there; ``repeat_interleave`` twice."""
    folder = unpacked("sglang", version)  # on the path, so that its files are named without it
    path = os.pathsep.join(map(str, (ROOT, folder)))
    found = run(
        develop(cuda=True), "sglang_scoring", tmp_path, folder / SCORING[version], hooks=False, values=True, PYTHONPATH=path
    )
    told = found["cases"]["scoring"]
    assert told["generated"] is True
    assert {records.place(site["at"]).rpartition(" ")[2] for site in told["sites"]} == {"get_token_ids_logprobs_batch_optimized"}
    assert told["waits"] == 6
    assert all(site["at"].startswith("sglang/srt/") for site in told["sites"])
    if request.config.getoption("--record"):
        expected = Expected("logprobs of named tokens, 4 requests")
        records.write("sglang", version, "language models", found["about"], [records.row(expected, told, told)])
