"""Tiny random-weight models in Hugging Face and diffusers layout, made once and cached; `python -m tests.models NAME`."""

from __future__ import annotations

from ._catalog import NAMES, tiny_model

__all__ = ["NAMES", "tiny_model"]
