"""vLLM on two ranks, over the stub of NCCL: the waits of each rank with hooks off and on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.environments import cuda_release, wheel
from tests.models import tiny_model

from . import records
from .records import Expected
from .running import PROGRAMS, run
from .test_vllm import LORA, SHOWN, adapters

IN_TURN = "steps in turn"
STEPS = {"eager": 13, IN_TURN: 12}
"""By kind of engine, of those that go on before a step's tokens are on the host, and of those that wait for them."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """An engine of two ranks, and the cases that are run on it.

    Attributes:
        runner: 1 or 2, the model runner.
        parallel: of what the ranks have a part: ``TP``, ``PP`` or ``DP``.
        kind: a name in ``ENGINES`` of `programs/vllm_requests.py`.
        cases: by their name there; for each rank.
        values: compute operators on the host.
        variables: that choose more than the default.
    """

    release: str
    runner: int
    parallel: str
    kind: str
    cases: dict[str, tuple[Expected, Expected]]
    values: bool = False
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is in the records."""
        return f"V{self.runner}, {self.kind}, {self.parallel}=2"

    def __str__(self) -> str:
        return f"{self.release}-{self.name}"


WRITES = Expected("penalties", "sampler_staged_writes")
MAILBOX = {"SYNCFREE_DP_ALL_REDUCE": "shm_mailbox"}
DP = "vllm/v1/worker/dp_utils.py"
READS = tuple(f"{DP} {name}" for name in ("_post_process_cudagraph_mode", "_post_process_ubatch", "_post_process_dp_padding"))
CONCLUSION = "syncfree/adapters/vllm/dp_all_reduce/model_runner_v1.py _synchronize_dp_ranks"
"""Where the one matrix of all ranks is read, once, in the place of its parts."""


def agreed(kind: str, waits: int, *sites: str, left: int = 0) -> dict[str, tuple[Expected, Expected]]:
    """Return what both ranks wait for, in each step, to agree on it."""
    expected = Expected("greedy", "dp_all_reduce", waits * STEPS[kind], (*sites, CONCLUSION), left * STEPS[kind])
    return {"greedy": (expected, expected)}


ENGINES = [
    Ranks("0.32.0", 1, "TP", "lora", {case: (expected, expected) for case, expected in LORA.items()}, values=True),
    Ranks("0.32.0", 2, "TP", "eager", {"greedy": (SHOWN["greedy"],) * 2, "penalties": (WRITES, WRITES)}),
    Ranks("0.32.0", 2, "PP", "eager", {"greedy": (SHOWN["greedy"],) * 2, "penalties": (Expected("penalties"), WRITES)}),
    Ranks("0.32.0", 2, "DP", "eager", agreed("eager", 0), variables=MAILBOX),
    Ranks("0.32.0", 1, "DP", IN_TURN, agreed(IN_TURN, 3, *READS, left=1), values=True, variables=MAILBOX),
    Ranks("0.21.0", 1, "DP", IN_TURN, agreed(IN_TURN, 7, f"{DP} _run_ar", *READS, left=1), values=True, variables=MAILBOX),
]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_hook_removes_the_waits_of_its_sites_on_each_rank(
    engine: Ranks, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    off, on = (counted(engine, tmp_path / name, hooks=name == "on") for name in ("off", "on"))
    rows = []
    for case, of_ranks in engine.cases.items():
        for rank, expected in enumerate(of_ranks):
            name = f"{case}, rank {rank}"
            without, with_hooks = off["cases"][name], on["cases"][name]
            assert with_hooks["generated"] == without["generated"]
            rows.append(records.row(expected.on_rank(rank), without, with_hooks))
            records.check(rows[-1], expected)
    if request.config.getoption("--record"):
        records.write("vllm", engine.release, engine.name, on["about"], rows)


def counted(engine: Ranks, folder: Path, *, hooks: bool) -> dict[str, dict[str, Any]]:
    """Return what `programs/vllm_ranks.py` told of an engine's cases."""
    folder.mkdir()
    variables = {
        "ADAPTERS": os.pathsep.join(str(adapters() / name) for name in ("first", "second")),
        "PYTHONPATH": str(PROGRAMS),  # of the workers
        "SYNC_AUDIT_DRY_RUN_DEVICES": "2",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "VLLM_USE_V2_MODEL_RUNNER": str(engine.runner - 1),
        **engine.variables,
    }
    asked = [f"{case}={next((of.hook for of in expected if of.hook), '')}" for case, expected in engine.cases.items()]
    python = cuda_release("vllm", engine.release, wheel())
    data = engine.parallel == "DP"
    program = "vllm_data_parallel" if data else "vllm_ranks"
    arguments = (*(() if data else (engine.parallel,)), engine.kind, tiny_model("qwen3-moe" if data else "llama"), *asked)
    return run(python, program, folder, *arguments, hooks=hooks, values=engine.values, **variables)
