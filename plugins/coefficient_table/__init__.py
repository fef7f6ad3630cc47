"""Scheduler steps whose scalars are computed once per schedule; `plugin` declares them."""
