"""Implementations that the ranks choose together at their first call, by where they run; `plugin` declares them."""
