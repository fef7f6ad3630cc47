"""SGLang's engine for language models, as it is built for CUDA: its scheduler's steps with hooks off and on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.environments import cuda_release, wheel
from tests.models import tiny_model

from . import records
from .records import Expected
from .running import PROGRAMS, run

NEEDED = ("uvloop==0.23.0", "nvidia-ml-py==13.615.71", "openai-harmony==0.0.8", "xgrammar==0.2.7")
"""The packages that this engine imports and SGLang diffusion does not."""
HOOK = "sampler_logprob_gather"
OF_A_BATCH = "sglang/srt/layers/logprob_processor.py get_token_ids_logprobs_batch_optimized"
PROCESSOR = "sglang/srt/managers/scheduler_components/batch_result_processor.py"
RESULTS = (f"{PROCESSOR} process_batch_result_decode", f"{PROCESSOR} process_batch_result_prefill")
"""Where the host waits for the tokens of a step, once the next one is queued."""
GREEDY = Expected("greedy")
NAMED = Expected("logprobs of named tokens", HOOK)
"""Nothing waits for these: the hook saves an upload for each request."""
SCORING = "logprobs of named tokens, prefill-only"
SAMPLING = "sampling_parameters"
OF_BIASES = "sglang/srt/sampling/sampling_batch_info.py from_schedule_batch"
CASES = {
    "0.5.20": {
        "greedy": GREEDY,
        "named": NAMED,
        "scoring": Expected(SCORING, HOOK, 6, (OF_A_BATCH,)),
        "biased": Expected("two logit biases per request", SAMPLING, 16, (OF_BIASES,)),
    },
    "0.5.23": {"greedy": GREEDY, "named": NAMED, "scoring": Expected(SCORING, HOOK)},
}
"""By release and name in `programs/sglang_language.py`."""


@pytest.mark.parametrize("version", list(CASES))
def test_a_hook_removes_the_waits_of_its_sites_and_gives_the_device_fewer_commands(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    off, on = (counted(version, tmp_path / name, hooks=name == "on") for name in ("off", "on"))
    assert off["about"]["unreal"] == on["about"]["unreal"] == []
    rows = []
    for case, expected in CASES[version].items():
        without, with_hooks = off["cases"][case], on["cases"][case]
        assert with_hooks["generated"] == without["generated"]
        rows.append(records.row(expected, without, with_hooks))
        records.check(rows[-1], expected, RESULTS)
        if expected.hook == HOOK:  # a batch is prepared outside of its steps, whose commands are counted
            assert commands(with_hooks) < commands(without)
    if request.config.getoption("--record"):
        records.write("sglang", version, "language engine", on["about"], rows)


def commands(told: dict[str, Any]) -> float:
    """Return how often a step gives the device a kernel or a copy, on average."""
    return float(told["launches_per_step"] + sum(told["copies_per_step"].values()))


def counted(version: str, folder: Path, *, hooks: bool) -> dict[str, Any]:
    """Return what `programs/sglang_language.py` told of its cases."""
    folder.mkdir()
    python = cuda_release("sglang", version, wheel(), *NEEDED)
    asked = [f"{case}={expected.hook or ''}" for case, expected in CASES[version].items()]
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, (PROGRAMS / "sglang_language_probe", PROGRAMS))),
        "SGLANG_IS_FLASHINFER_AVAILABLE": "false",  # 0.5.20 imports it all the same, but not the parts that need cuda-python
        "SGLANG_FORCE_FUSED_OP_BACKEND": "torch",  # the form in PyTorch of each operator, which has values
    }
    return run(python, "sglang_language", folder, tiny_model("llama"), *asked, hooks=hooks, values=True, **variables)
