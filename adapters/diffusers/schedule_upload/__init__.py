"""Uploads of diffusers' schedulers: schedules, and constants and noise of two of them."""

from __future__ import annotations

from .schedulers import BINDINGS

__all__ = ["BINDINGS"]
