"""diffusers' schedulers that ask the device for the value of a timestep or a sigma; methods of a few are replaced apart."""

from __future__ import annotations

from .schedulers import BINDINGS

__all__ = ["BINDINGS"]
