"""diffusers. It loads no plugins: ``syncfree.pth`` loads this adapter at the first import, or ``import syncfree.auto`` does.

At that moment no scheduler module has been executed, so nobody holds a stale copy of a target.
"""

from __future__ import annotations

from syncfree.adapting import Adapter

from . import helios, progress_bar, schedules, unipc

ADAPTER = Adapter(
    framework="diffusers",
    package="diffusers",
    distributions=("diffusers",),
    bindings=(unipc.BINDING, helios.BINDING, progress_bar.BINDING, *schedules.BINDINGS),
    home=__name__,
    reviewed="0.42.1",
)
