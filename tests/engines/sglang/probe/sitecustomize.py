"""Test-only: on PYTHONPATH it runs in every process of the engine and reports what syncfree did in the denoising ones.

``PROBE_FOLDER`` is where the reports go, and a file per process with every way by which syncfree was loaded for SGLang.
``PROBE_CHOICES`` is a JSON list with the choice of the exchange (null: no change; ``restore``: every original back) that every
rank makes before a generation denoises. ``PROBE_FIRST_WORKER`` is a JSON object of variables that only one of the workers gets.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

DENOISING = "sglang.multimodal_gen.runtime.pipelines_core.stages.denoising"


def watch_denoising(module: ModuleType, imported: frozenset[str]) -> None:
    """Make the denoising stage of this process switch before, and report after, each generation."""
    import torch.distributed

    import syncfree

    choices: list[str | None] = json.loads(os.environ["PROBE_CHOICES"])
    upstream = module.DenoisingStage.forward
    generation = 0

    def forward(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal generation
        choice = choices[generation] if generation < len(choices) else None
        if choice == "restore":
            syncfree.restore()
        elif choice is not None:
            syncfree.use(sequence_parallel_all_to_all=choice, all_ranks=True)
        result = upstream(self, *arguments, **options)
        rank = torch.distributed.get_rank()
        report(f"denoised-{generation}-{rank}", rank=rank, generation=generation)
        generation += 1
        return result

    module.DenoisingStage.forward = forward  # type: ignore[attr-defined]


def note_the_ways_in() -> None:
    """Write down who asks for the hooks of SGLang in this process, every time."""
    from syncfree._runtime import RUNTIME

    load = RUNTIME.load

    def noted(framework: str) -> Any:
        if framework == "sglang":
            frame, callers = sys._getframe(1), []
            while frame is not None:
                callers.append(frame.f_globals.get("__name__", ""))
                frame = frame.f_back
            way = "plugin" if "syncfree.adapters.sglang" in callers else "import"
            with Path(os.environ["PROBE_FOLDER"], f"ways-{os.getpid()}").open("a") as file:
                file.write(f"{way}\n")
        return load(framework)

    RUNTIME.load = noted  # type: ignore[method-assign]


def give_one_worker_other_variables() -> None:
    """Change the environment of the first spawned process, before syncfree reads it."""
    if "spawn_main" not in " ".join(sys.orig_argv):
        return
    try:
        Path(os.environ["PROBE_FOLDER"], "first-worker").touch(exist_ok=False)
    except FileExistsError:
        return
    os.environ.update(json.loads(os.environ["PROBE_FIRST_WORKER"]))


def report(name: str, **more: Any) -> None:
    """Write what syncfree has done in this process."""
    import syncfree

    said = {"pid": os.getpid(), "plan": syncfree.plan().as_dict(), **more}
    Path(os.environ["PROBE_FOLDER"], f"{name}.json").write_text(json.dumps(said))


def report_of_the_parent() -> None:
    """Report from the process that the user started; spawned ones and short-lived tools end without a word."""
    import multiprocessing

    if "sglang.multimodal_gen" in sys.modules and multiprocessing.parent_process() is None:
        report("parent", rank=None)


if "PROBE_FIRST_WORKER" in os.environ:
    give_one_worker_other_variables()
if "PROBE_FOLDER" in os.environ:
    from syncfree._import_hook import PostImportFinder

    PostImportFinder().watch(DENOISING, watch_denoising)
    note_the_ways_in()
    atexit.register(report_of_the_parent)
