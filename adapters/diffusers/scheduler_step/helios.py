"""diffusers ``HeliosScheduler``: UniPC with sigmas on the device, which a caller may also pass one by one."""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

BINDING = unipc_binding(
    "diffusers.schedulers.scheduling_helios:HeliosScheduler",
    UniPCForm(">=0.37.0", "sigmas", "12 host syncs per step at order 2: lists of device scalars", flow="clamped_flow"),
)
