"""A module that holds copies, as `from x import y` makes them."""

from .work import progress, reduce

__all__ = ["progress", "reduce"]
