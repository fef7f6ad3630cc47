"""SGLang's schedulers and stages that ask the device for the value of a timestep or a sigma."""

from __future__ import annotations

from . import dpm_solver, index_for_timestep, ltx_2

BINDINGS = (*index_for_timestep.BINDINGS, dpm_solver.BINDING, ltx_2.BINDING)
