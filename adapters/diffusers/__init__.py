"""diffusers. It loads no plugins: ``syncfree.pth`` loads this adapter at the first import, or ``import syncfree.auto`` does.

At that moment no scheduler module has been executed, so nobody holds a stale copy of a target.
"""

from __future__ import annotations

from syncfree.adapting import Adapter

from ..grouping import grouped_by_module
from . import host_timestep, progress_reporting, schedule_upload, scheduler_step, step_coefficients, timestep_index

ADAPTER = Adapter(
    framework="diffusers",
    package="diffusers",
    distributions=("diffusers",),
    bindings=(
        *scheduler_step.BINDINGS,
        progress_reporting.BINDING,
        *grouped_by_module(
            (
                *schedule_upload.BINDINGS,
                *host_timestep.BINDINGS,
                *timestep_index.BINDINGS,
                *step_coefficients.BINDINGS,
            )
        ),
    ),
    home=__name__,
    reviewed="0.42.1",
)
