"""vLLM's wheels for CUDA: the waits of an engine's steps with hooks off and on. `-- -k 0.32.0` selects one release."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.environments import build, cache_root, content_key, cuda_release, made_once, python_of, wheel
from tests.models import tiny_model

from . import records
from .records import Expected
from .running import PROGRAMS, run


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine of a release, and the cases that are run on it.

    Attributes:
        runner: 1 or 2, the model runner.
        kind: a name in ``ENGINES`` of `programs/vllm_engine.py`, and after a comma what tells it from another one.
        cases: by their name in `programs/vllm_engine.py`.
        values: compute operators on the host.
    """

    release: str
    runner: int
    kind: str
    cases: dict[str, Expected]
    values: bool = False
    model: str = "llama"

    @property
    def name(self) -> str:
        """As it is in the records."""
        return f"V{self.runner}, {self.kind}"

    def __str__(self) -> str:
        return f"{self.release}-{self.name}"


SHOWN = {
    "greedy": Expected("greedy"),
    "logprobs": Expected("logprobs"),
    "logprob_token_ids": Expected("logprobs of named tokens"),
    "min_tokens": Expected("min_tokens"),
    "bad_words": Expected("bad words"),
    "prompt_logprobs": Expected("prompt logprobs"),
    "seeded": Expected("seeded, min-p"),
    "logit_bias": Expected("logit bias, allowed tokens"),
    "top_k_top_p": Expected("top-k, top-p"),
}
SAMPLER = "vllm/v1/sample"
BAD_WORDS = Expected("bad words", "bad_words_mask", 116, (f"{SAMPLER}/ops/bad_words.py _apply_bad_words_single_batch",))
"""One wait for each word that matches."""
NAMED = Expected("logprobs of named tokens", "sampler_logprob_gather", 32, (f"{SAMPLER}/sampler.py gather_specific_token_logprobs",))
"""One wait for each request in each step: four requests of eight steps."""
RESET = Expected("penalties", "penalty_state_reset", 4, ("vllm/v1/worker/gpu/sample/penalties.py bincount",))
"""Two waits at each of the two steps in which requests join."""
STOP = Expected(
    "min_tokens, structured output", "stop_token_mask", 40, (f"{SAMPLER}/logits_processor/builtin.py _mask_stop_token_logits",)
)
"""Four waits in each of ten steps: six of each request, and the fourth joins after four."""
CONV = "vllm/model_executor/layers/mamba/ops/causal_conv1d.py"
MAMBA = Expected("Mamba-1, prefills", "conv_metadata", 12, (f"{CONV} causal_conv1d_fn", f"{CONV} num_program"))
"""Three waits in each of two layers, in each of two steps with prefills."""
FLA = "vllm/third_party/flash_linear_attention/ops/index.py"
HYBRID = Expected("gated delta rules, prefills", "chunk_indices", 2, (f"{FLA} prepare_chunk_indices",))
"""One wait in each of two steps with prefills, for both layers."""
OLDER_FLA = "vllm/model_executor/layers/fla/ops/index.py"
OLDER_HYBRID = Expected(HYBRID.case, HYBRID.hook, 4, (f"{OLDER_FLA} prepare_chunk_indices",))
"""And one for the upload that follows it."""
MAPPING = "vllm/lora/ops/triton_ops/lora_kernel_metadata.py prepare_tensors"
LORA = {"lora": Expected("LoRA, the mapping changes", "lora_mapping", 30, (MAPPING,))}
"""Six waits at each of five changes."""
RUNNER = "vllm/v1/worker/gpu_model_runner.py"
POOLED = Expected("embeddings, one prompt in chunks", "pooled_rows", 1, (f"{RUNNER} _copy_pooler_output_to_cpu",))
"""One wait in the one step that finishes a part of its requests."""
PROMPT = Expected("prompt logprobs", "prompt_logprobs", 2, (f"{RUNNER} _sync_device",))
"""One wait at each of the two steps in which prompts are finished."""
PROMPT_PAGEABLE = Expected(PROMPT.case, PROMPT.hook, 14, (*PROMPT.sites, f"{RUNNER} _get_prompt_logprobs_dict"))
"""And three for each of the four prompts."""
WITHOUT_NAMED = {case: expected for case, expected in SHOWN.items() if case != "logprob_token_ids"}
"""V2 takes no named tokens in 0.20.2, and in 0.21.0 Triton does not compile their kernel, on no device: vLLM #41761 mended it."""
NEWER = {
    1: {**SHOWN, "prompt_logprobs": PROMPT, "penalties": Expected("penalties", "output_token_matrix")},
    2: {**SHOWN, "penalties": Expected("penalties", "sampler_staged_writes")},
}
"""By model runner, from 0.29."""
OLDER = {
    1: {**SHOWN, "bad_words": BAD_WORDS, "logprob_token_ids": NAMED, "prompt_logprobs": PROMPT_PAGEABLE},
    2: {**WITHOUT_NAMED, "penalties": RESET},
}
"""By model runner, to 0.21."""
EAGER = {
    **dict.fromkeys(("0.20.2", "0.21.0"), OLDER),
    "0.28.0": {**NEWER, 1: {**NEWER[1], "prompt_logprobs": PROMPT_PAGEABLE}},
    **dict.fromkeys(("0.30.0", "0.32.0", "0.33.0"), NEWER),
}
ENGINES = [
    *(Engine(release, runner, "eager", cases) for release, runners in EAGER.items() for runner, cases in runners.items()),
    Engine("0.32.0", 1, "lora", LORA, values=True),
    Engine("0.32.0", 2, "lora", LORA, values=True),
    Engine("0.32.0", 1, "eager, values", {"structured": STOP}, values=True),
    Engine("0.32.0", 2, "compiled", {"greedy": SHOWN["greedy"]}),
    Engine("0.32.0", 1, "pooling", {"pooling": Expected("embeddings, one prompt in chunks")}),
    Engine("0.32.0", 1, "pooling by a registered model", {"pooling": POOLED}),
    Engine("0.32.0", 2, "eager with random weights, OLMo Hybrid", {"greedy": HYBRID}, values=True, model="olmo-hybrid"),
    Engine("0.21.0", 1, "eager with random weights, OLMo Hybrid", {"greedy": OLDER_HYBRID}, values=True, model="olmo-hybrid"),
    Engine("0.21.0", 1, "lora", LORA, values=True),
    Engine("0.21.0", 1, "eager, Mamba-1", {"greedy": MAMBA}, values=True, model="mamba"),
]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_hook_removes_the_waits_of_its_sites(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    off, on = (counted(engine, tmp_path / name, hooks=name == "on") for name in ("off", "on"))
    rows = []
    for case, expected in engine.cases.items():
        without, with_hooks = off["cases"][case], on["cases"][case]
        assert with_hooks["generated"] == without["generated"]
        rows.append(records.row(expected, without, with_hooks))
        records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("vllm", engine.release, engine.name, on["about"], rows)


def counted(engine: Engine, folder: Path, *, hooks: bool, **variables: str) -> dict[str, dict[str, Any]]:
    """Return what `programs/vllm_engine.py` told of an engine's cases."""
    folder.mkdir()
    variables = {
        "VLLM_USE_V2_MODEL_RUNNER": str(engine.runner - 1),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_USE_DEEP_GEMM": "0",  # not installed, which 0.20.2 does not see before it warms up
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "ADAPTERS": os.pathsep.join(str(adapters() / name) for name in ("first", "second")),
        **variables,
    }
    cases = [f"{case}={expected.hook or ''}" for case, expected in engine.cases.items()]
    python = cuda_release("vllm", engine.release, wheel())
    arguments = (engine.kind.partition(",")[0], tiny_model(engine.model), *cases)
    return run(python, "vllm_engine", folder, *arguments, hooks=hooks, values=engine.values, **variables)


def adapters() -> Path:
    """Return a folder with two LoRA adapters for the tiny Llama."""
    program = PROGRAMS / "lora_adapters.py"

    def make(folder: Path) -> None:
        subprocess.run([python_of(build("vllm-0.32.0")), "-W", "ignore", program, folder], check=True)

    return made_once(cache_root() / "models" / f"lora-adapters-{content_key([program])}", make)
