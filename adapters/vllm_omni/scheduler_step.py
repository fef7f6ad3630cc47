"""FlowUniPC, whose sigmas stay on the host, and Helios, whose sigmas are on the device."""

from __future__ import annotations

from syncfree.adapters.unipc import UniPCForm, unipc_binding

from ._names import HELIOS, RELEASES, UNIPC

BINDINGS = (
    unipc_binding(
        UNIPC,
        UniPCForm(RELEASES[UNIPC], "sample", "sigmas uploaded one by one, lists of scalars, linalg.solve", only_flow=True),
        depends=("vllm_omni.diffusion.utils.flow_matching:safe_linalg_solve",),
    ),
    unipc_binding(
        HELIOS,
        UniPCForm(
            RELEASES[HELIOS],
            "sigmas",
            "12 host syncs per step at order 2: lists of device scalars",
            flow="clamped_flow",
            rounds_step=True,
        ),
    ),
)
