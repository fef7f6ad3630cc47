"""Run a program of `programs/` in an environment that has a real vLLM and our wheel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.environments import build, cache_root, content_key, made_once, python_of, release, wheel
from tests.models import tiny_model

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
NEWEST = "0.32.0"
V2 = {"TRITON_INTERPRET": "1", "VLLM_USE_V2_MODEL_RUNNER": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
"""The variables of Model Runner V2 with its kernels in the Triton interpreter; `V2_INSTALLS` has the interpreter."""
V2_INSTALLS = ("triton==3.9.0", HERE.parents[1] / "environments" / "packages" / "triton_interpreter")


def environment(**variables: str) -> dict[str, str]:
    """The variables of a vLLM process; none of ours is inherited."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "VLLM_"))}
    return {
        **inherited,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROGRAMS),
        "TORCHINDUCTOR_CACHE_DIR": str(cache_root() / "inductor"),
        "VLLM_NO_USAGE_STATS": "1",
        **variables,
    }


def python(version: str = NEWEST, *installs: str | Path) -> Path:
    """The interpreter of an environment with this vLLM (before 0.28: a hybrid) and the wheel of the working tree."""
    return release("vllm", version, wheel(), *installs)


def model(name: str) -> Path:
    """A tiny random-weight model, ``llama`` or ``qwen3moe``."""
    program = PROGRAMS / "models.py"

    def make(folder: Path) -> None:
        subprocess.run([python_of(build(f"vllm-{NEWEST}")), "-W", "ignore", program, folder], check=True)

    return made_once(cache_root() / "models" / f"vllm-{content_key([program])}", make) / name


def start(interpreter: Path, program: str, *arguments: object, log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a program; its output and its log go to a file."""
    command = [interpreter, PROGRAMS / f"{program}.py", *map(str, arguments)]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, env=environment(**variables), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def finish(process: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> str:
    """Wait for a program to end well; return its log."""
    try:
        code: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        kill(process)
    text = log.read_text(errors="replace")
    assert code == 0, f"ended with {code} (None: not within {seconds} s):\n{text[-6000:]}"
    return text


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a program that `start` started, and every process that vLLM started for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def generate(folder: Path, version: str, *choices: str, **variables: str) -> dict[str, Any]:
    """Run `offline.py` with a tiny Llama; return what it told, and the log of all processes."""
    log, result = folder / "log", folder / "result.json"
    started = start(python(version), "offline", model("llama"), result, *choices, log=log, **variables)
    text = finish(started, log)
    return {**json.loads(result.read_text()), "log": text}


def binding(report: dict[str, Any], hook: str, target: str | None = None) -> dict[str, Any]:
    """A hook's line of the plan that a process told; the one of a target where there are several."""
    lines = (entry for entry in report["plan"]["bindings"] if entry["hook"] == hook)
    (found,) = (entry for entry in lines if target is None or target in entry["targets"])
    return dict(found)


def greedy(answer: dict[str, Any]) -> list[Any]:
    """Return what the greedy requests of `generate` gave, by choice.

    The CPU worker of the hybrids ignores the seed of a request that shares its batch with one without.
    """
    return [[told for index, told in enumerate(of) if index not in (1, 2)] for of in answer["generated"].values()]


def check_hybrid(answer: dict[str, Any], version: str, verdict: str = "stalls") -> None:
    """What `generate` with two choices told of a hybrid: the same under both, and switched; counters say that ours ran."""
    first, second, switched = greedy(answer)
    assert first == second == switched
    (report,) = answer["workers"]
    for hook in ("sampler_logprob_gather", "bad_words_mask", "output_token_matrix"):
        found = binding(report, hook)
        expected = "repeats work" if hook == "output_token_matrix" else verdict
        assert (found["verdict"], found["state"], found["version"].split("+")[0]) == (expected, "bound", version)
        counts = next(iter(found["counts"].values()))
        assert counts["sync_free"]["calls"] >= 7
        assert counts["sync_free"]["declines"] == 0


_FAST_PREFILL = {
    "bad_words_mask": "apply_bad_words",
    "fast_prefill_padding": "_prepare_kv_sharing_fast_prefill",
    "output_token_matrix": "_convert_to_tensors",
}
FEATURES = {
    "drafts": {**_FAST_PREFILL, "bad_words_mask": "apply_bad_words_with_drafts"},
    "fast_prefill": _FAST_PREFILL,
    "score": {"pooling_token_types": "_init_model_kwargs"},
}
"""The hooks that each kind of `features.py` reaches, with the end of the target that must have been called."""
LENGTHS = {"drafts": [12, 10, 9, 8], "fast_prefill": [12, 10, 9, 8, 6, 6, 6, 6]}


def check_features(folder: Path, kind: str, version: str = NEWEST, **variables: str) -> None:
    """Run `features.py`: both choices give the same, and each hook's counters say that both ran.

    Where the release does not stall, our implementations must be named by variables.
    """
    log, result = folder / "log", folder / "result.json"
    folder_of_model = tiny_model("bert-cross-encoder") if kind == "score" else model("llama")
    variables = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", **variables}
    finish(start(python(version), "features", kind, folder_of_model, result, log=log, **variables), log)
    answer = json.loads(result.read_text())
    assert answer["sync_free"] == answer["upstream"]
    if kind == "score":
        assert len(set(answer["upstream"])) == 3
    else:
        assert [len(tokens) for tokens, _ in answer["upstream"]] == LENGTHS[kind]
    (report,) = answer["workers"]
    for hook, target in FEATURES[kind].items():
        found = binding(report, hook)
        assert found["state"] == "bound"
        (counts,) = (counts for name, counts in found["counts"].items() if name.endswith(target))
        assert min(counts[choice]["calls"] for choice in ("sync_free", "upstream")) >= 1, (hook, counts)
        assert counts["sync_free"]["declines"] == 0
