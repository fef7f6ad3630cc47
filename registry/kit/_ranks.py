"""The checks of a lockstep hook on several ranks: real processes that are joined by Gloo."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from .._errors import describe_error
from ._calls import Caller, Finding, TimeLimitExceededError

SAMPLES = 12
START_S = 120


def ranks_2(caller: Caller) -> Finding | None:
    """Fail when the exchange of two ranks is not the reference's."""
    return _on_ranks(caller, 2)


def ranks_4(caller: Caller) -> Finding | None:
    """Fail when the exchange of four ranks is not the reference's."""
    return _on_ranks(caller, 4)


def _on_ranks(caller: Caller, size: int) -> Finding | None:
    import torch.distributed as dist

    samples = caller.samples(SAMPLES)
    samples.sort(key=lambda arguments: len(repr(arguments)))  # so that the first that fails is the smallest
    sent = [
        {name: None if isinstance(value, dist.ProcessGroup) else value for name, value in arguments.items()}
        for arguments in samples
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "samples").write_bytes(pickle.dumps(sent))
        order = {"folder": folder, "size": size, "plugin": caller.found.plugin, "hook": caller.hook.name, "limit": caller.limit}
        found = _run(home, order, START_S + 2 * len(samples) * caller.limit)
    if found is None:
        return None
    problem, index = found
    return Finding(f"on {size} ranks, {problem}", {} if index is None else samples[index])


def _run(home: Path, order: dict[str, Any], seconds: float) -> tuple[str, int | None] | None:
    """Start the ranks and wait for them; return the first problem and its sample, None where there is none."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    output = [(home / f"output-{rank}").open("wb") for rank in range(order["size"])]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path), json.dumps({**order, "rank": rank})],
            stdin=subprocess.DEVNULL,
            stdout=output[rank],
            stderr=output[rank],
            env=environment,
        )
        for rank in range(order["size"])
    ]
    end = time.monotonic() + seconds
    try:
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
    finally:
        for process, file in zip(started, output, strict=True):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            file.close()
    return _first_problem(home, [process.returncode for process in started])


def _first_problem(home: Path, statuses: list[int]) -> tuple[str, int | None] | None:
    answers = [home / f"answer-{rank}" for rank in range(len(statuses))]
    for rank, answer in enumerate(answers):
        if answer.exists() and (found := json.loads(answer.read_text())):
            return f"rank {rank}: {found['problem']}", found["index"]
    for rank, status in enumerate(statuses):
        if status or not answers[rank].exists():
            said = (home / f"output-{rank}").read_text(errors="replace")[-1500:]
            return f"rank {rank} ended with status {status}, without a result:\n{said}", None
    return None


_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from syncfree.kit._ranks import serve; serve(**json.loads(sys.argv[2]))"
)


def serve(folder: str, rank: int, size: int, plugin: str, hook: str, limit: float) -> None:
    """Be one rank: make the calls of all samples, and write the first problem to ``answer-<rank>``, or ``null``."""
    import torch
    import torch.distributed as dist

    from ._plugin import implementations_of

    torch.set_num_threads(1)
    torch.set_printoptions(linewidth=72, threshold=60, edgeitems=2)
    # An exchange that some rank never enters ends with an error on the others, before the time limit.
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size, timeout=timedelta(seconds=limit))
    ours = dist.new_group(backend="gloo", timeout=timedelta(seconds=START_S + 2 * limit))
    caller = Caller(implementations_of(plugin)[hook], 2 * limit, 1)
    samples = pickle.loads(Path(folder, "samples").read_bytes())
    answer = None
    for index, sample in enumerate(samples):
        problem = _problem(caller, sample, rank, size)
        problems: list[Any] = [None] * size
        dist.all_gather_object(problems, problem, group=ours)
        if any(problems):
            answer = {"problem": problem, "index": index} if problem else None
            break
    Path(folder, f"answer-{rank}").write_text(json.dumps(answer))
    dist.barrier(ours)
    os._exit(0)  # a thread of a broken exchange must not keep the process


def _problem(caller: Caller, sample: dict[str, Any], rank: int, size: int) -> str | None:
    """Make one call, on every rank at once, and one of the reference; return how they differ."""
    from .._difference import difference
    from ._values import structure, value_difference

    assert caller.hook.on_rank is not None
    arguments = caller.hook.on_rank(caller.fresh(sample), rank, size)
    try:
        made = caller.call(arguments)
    except TimeLimitExceededError:
        return f"a call did not return within {caller.limit:g} s"
    if made.error is not None:
        return f"raised {describe_error(made.error)}"
    if not made.is_answered:
        return None
    other = difference(structure(made.result), structure(made.expected), None)
    return other or value_difference(caller, made, caller.tolerance)
