"""diffusers' schedulers that compute the scalars of a step anew at every step; methods of a few are replaced apart."""

from __future__ import annotations

from .schedulers import BINDINGS

__all__ = ["BINDINGS"]
