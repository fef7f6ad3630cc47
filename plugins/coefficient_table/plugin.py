"""The plugin ``coefficient_table``: scheduler steps whose scalars are computed once per schedule instead of at every step.

The functions here declare; the modules they name are imported only when an implementation is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncfree import hookimpl

if TYPE_CHECKING:
    import torch

    from syncfree.hooks.scheduler_step import MultistepUpdate


@hookimpl(
    exact=True,
    host_syncs=0,
    needs=("torch",),
    implementation="syncfree.plugins.coefficient_table.scheduler_step:scheduler_step",
)
def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """One UniPC update; see `syncfree.hooks.scheduler_step`."""
    raise NotImplementedError
