"""SGLang's ``UniPCMultistepScheduler``, a copy of diffusers' (Cosmos3 in 0.5.13 to 0.5.15; checkpoints that name it).

Its sigmas are on the CPU to 0.5.12.post1 and on the denoising device from 0.5.13 (SGLang #27440), and the scalars with them.
"""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"

BINDING = unipc_binding(
    f"{_SCHEDULERS}.scheduling_unipc_multistep:UniPCMultistepScheduler",
    UniPCForm(">=0.5.9,<0.5.13", "sigmas", "6 host syncs per step at order 2: scalar lists, [0.5] and linalg.solve"),
    UniPCForm(">=0.5.13", "sigmas", "2 host syncs per step at order 2: [0.5] and linalg.solve"),
    depends=(f"{_SCHEDULERS}.unipc:compute_unipc_bh_coefficients",),
)
