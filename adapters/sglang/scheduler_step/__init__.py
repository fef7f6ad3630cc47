"""SGLang's UniPC solvers."""

from __future__ import annotations

from . import flow_unipc, helios, unipc

BINDINGS = (unipc.BINDING, flow_unipc.BINDING, helios.BINDING)
