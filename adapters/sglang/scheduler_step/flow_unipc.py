"""SGLang's ``FlowUniPCMultistepScheduler``: the default of Wan, and of Cosmos3 from 0.5.16.

It solves the corrector's two equations by Cramer's rule, so at order 2 no release waits; what is left to save is launches.
"""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"

BINDING = unipc_binding(
    f"{_SCHEDULERS}.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler",
    UniPCForm(
        ">=0.5.9",
        "sigmas",
        "no host sync at order 2 (2 per step at order 3), about 100 launches per step",
        status="upstreamed",
        only_flow=True,
        pair="cramer",
    ),
    depends=(f"{_SCHEDULERS}.unipc:compute_unipc_bh_coefficients",),
)
