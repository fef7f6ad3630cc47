"""SGLang's ``FlowUniPCMultistepScheduler``: the default of Wan, and of Cosmos3 from 0.5.16.

It solves the corrector's two equations by Cramer's rule, so at order 2, the default, no release waits; at order 3 its
`linalg.solve` does. At order 2 launches are saved: 77 per step instead of 106, with `coefficient_table` 21.
"""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"

BINDING = unipc_binding(
    f"{_SCHEDULERS}.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler",
    UniPCForm(
        ">=0.5.9",
        "sigmas",
        "2 host syncs per step at order 3: linalg.solve; at order 2 none, and about 100 launches",
        only_flow=True,
        pair="cramer",
    ),
    depends=(f"{_SCHEDULERS}.unipc:compute_unipc_bh_coefficients",),
)
