"""On PYTHONPATH in every process of SGLang's language engine in the dry run: counts of the scheduler's steps, by case.

The names of a case's requests begin with the case and a slash. What its steps cost is in ``CASE.json`` of ``PROBE_FOLDER`` after
each of them; ``PROBE_CASES`` has ``CASE=HOOK`` for each, with commas, and requests of other names are not counted. Requests
begin together, ``PROBE_REQUESTS`` at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any


def use_no_dual_gemm(module: ModuleType, imported: frozenset[str]) -> None:
    """Let layers take their form in PyTorch, for an operator that is no `BaseFusedOp` and imports CuTe DSL."""
    module.DualGemm._select_mode = lambda *arguments: None  # type: ignore[attr-defined]


def count_steps(module: ModuleType, imported: frozenset[str]) -> None:
    """Count the waits of a case from its first batch until its last result: the scheduler works on the last step meanwhile."""
    from measuring import Measurement, about

    hooks = dict(one.split("=") for one in os.environ["PROBE_CASES"].split(","))
    scheduler = module.Scheduler
    run, process = scheduler.run_batch, scheduler.process_batch_result
    counted: dict[str, Measurement] = {}
    until_the_next_case = [lambda: None]

    def case_of(batch: Any) -> str | None:
        case = str(batch.reqs[0].rid).partition("/")[0] if batch.reqs else ""
        return case if case in hooks else None

    def run_batch(self: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        case = case_of(batch)
        if case is None:
            return run(self, batch, *arguments, **options)
        if case not in counted:
            until_the_next_case.pop()()
            measurement = counted[case] = Measurement(hooks[case] or None)
            between = measurement.between_steps()
            between.__enter__()
            until_the_next_case.append(lambda: between.__exit__(None, None, None))
        with counted[case].step():
            return run(self, batch, *arguments, **options)

    def process_batch_result(self: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        result = process(self, batch, *arguments, **options)
        case = case_of(batch)
        if case is not None:
            told = counted[case].told()
            said = {"about": about(), **told, "steps": len(told["waits_by_step"])}
            Path(os.environ["PROBE_FOLDER"], f"{case}.json").write_text(json.dumps(said))
        return result

    scheduler.run_batch, scheduler.process_batch_result = run_batch, process_batch_result


def begin_together(module: ModuleType, imported: frozenset[str]) -> None:
    """Let requests wait until all of a case are there: they come one by one, and batches would depend on the machine's load."""
    upstream = module.Scheduler._should_defer_prefill

    def should_defer_prefill(self: Any, *arguments: Any) -> bool:
        return 0 < len(self.waiting_queue) < int(os.environ["PROBE_REQUESTS"]) or bool(upstream(self, *arguments))

    module.Scheduler._should_defer_prefill = should_defer_prefill


if "PROBE_FOLDER" in os.environ:
    from syncfree._import_hook import PostImportFinder

    finder = PostImportFinder()
    finder.watch("sglang.srt.managers.scheduler", count_steps)
    finder.watch("sglang.srt.managers.scheduler", begin_together)
    finder.watch("sglang.srt.layers.dual_gemm", use_no_dual_gemm)
