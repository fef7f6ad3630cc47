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
    """Count the waits of a case from the preparation of its first batch until the next case begins.

    With the overlap schedule the scheduler works on the last step meanwhile.
    """
    from measuring import Measurement, about

    hooks = dict(one.split("=") for one in os.environ["PROBE_CASES"].split(","))
    scheduler, batch_class = module.Scheduler, module.ScheduleBatch
    run, process, prepare = scheduler.run_batch, scheduler.process_batch_result, batch_class.prepare_for_extend
    counted: dict[str, Measurement] = {}
    until_the_next_case = [lambda: None]

    def case_of(batch: Any) -> str | None:
        case = str(batch.reqs[0].rid).partition("/")[0] if batch.reqs else ""
        return case if case in hooks else None

    def begin(case: str) -> None:
        until_the_next_case.pop()()
        measurement = counted[case] = Measurement(hooks[case] or None)
        between = measurement.between_steps()
        between.__enter__()
        until_the_next_case.append(lambda: between.__exit__(None, None, None))

    def prepare_for_extend(self: Any, *arguments: Any, **options: Any) -> Any:
        case = case_of(self)
        if case is not None and case not in counted:
            begin(case)
        return prepare(self, *arguments, **options)

    def run_batch(self: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        case = case_of(batch)
        if case is None:
            return run(self, batch, *arguments, **options)
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
    batch_class.prepare_for_extend = prepare_for_extend


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
