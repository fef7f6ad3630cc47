"""diffusers ``UniPCMultistepScheduler``: used by the Wan, SkyReels and Cosmos pipelines."""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

BINDING = unipc_binding(
    "diffusers.schedulers.scheduling_unipc_multistep:UniPCMultistepScheduler",
    UniPCForm(">=0.35.0,<0.38", "sigmas", "6 host syncs per step at order 2: scalar lists, [0.5] and linalg.solve"),
    UniPCForm(">=0.38.0", "sample", "7 host syncs per step at order 2: self.sigmas[i].to(device) and linalg.solve"),
)
