"""SGLang's progress bars: one method per denoising stage, and from 0.5.13 one for all stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from syncfree.adapting import Binding, Form

Report = Callable[..., Any]

_STAGES = "sglang.multimodal_gen.runtime.pipelines_core.stages"
_WORLD_GROUP = "sglang.multimodal_gen.runtime.distributed.parallel_state:get_world_group"


def _compose_per_stage(report: Report, upstream: Callable[..., Any]) -> Callable[..., Any]:
    """To 0.5.12.post1.

    Upstream asks for the rank on this node, and asserts when there is no process group yet.
    """
    module = upstream.__globals__
    parallel_state = module["get_world_group"].__globals__

    def progress_bar(self: Any, iterable: Iterable[Any] | None = None, total: int | None = None) -> Any:
        world = parallel_state["_WORLD"]
        rank = None if world is None else world.rank
        return report(iterable, total, rank, module["tqdm"], {})

    return progress_bar


def _compose_for_all_stages(report: Report, upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.5.13; from 0.5.14 hidden in a warm-up. The bars of 0.5.23 that report to a client stay upstream's."""
    module = upstream.__globals__

    def progress_bar(
        self: Any,
        iterable: Iterable[Any] | None = None,
        total: int | None = None,
        *,
        disable: bool = False,
        batch: Any = None,
        **kwargs: Any,
    ) -> Any:
        if batch is not None:
            if getattr(batch, "report_progress", False) and "get_progress_reporter" in module:
                return NotImplemented
            disable = disable or batch.is_warmup
        return report(iterable, total, _job_rank(module), module["tqdm"], {**kwargs, "disable": disable})

    return progress_bar


def _job_rank(module: dict[str, Any]) -> int | None:
    return module["get_world_rank"]() if module["world_group_is_initialized"]() else None


_PER_STAGE = (
    Form(
        releases=">=0.5.9,<0.5.13",
        status="repeats work",
        why="one bar per node: hidden by the rank on the node instead of the rank in the job",
        compose=(_compose_per_stage,),
    ),
)

DENOISING = Binding(
    hook="progress_reporting",
    targets=(f"{_STAGES}.denoising:DenoisingStage.progress_bar",),
    forms=_PER_STAGE,
    depends=(_WORLD_GROUP,),
)
MOVA = Binding(
    hook="progress_reporting",
    targets=(f"{_STAGES}.model_specific_stages.mova:MOVADenoisingStage.progress_bar",),
    forms=_PER_STAGE,
    depends=(_WORLD_GROUP,),
)
ALL_STAGES = Binding(
    hook="progress_reporting",
    targets=(f"{_STAGES}.base:PipelineStage.progress_bar",),
    forms=(Form(">=0.5.13", "upstreamed", "SGLang #27041", (_compose_for_all_stages,)),),
)

BINDINGS = (DENOISING, MOVA, ALL_STAGES)
