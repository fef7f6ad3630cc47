"""diffusers' UniPC solvers."""

from __future__ import annotations

from . import helios, unipc

BINDINGS = (unipc.BINDING, helios.BINDING)
