"""Actions on schedulers between steps: those of users, and those that nobody should take."""

from __future__ import annotations

from collections.abc import Callable

from . import arguments, attributes, contexts, methods, requests, solver
from .worlds import World

_WEIGHTED: tuple[tuple[float, Callable[[World], None]], ...] = (
    (6, requests.some_steps),
    (1.5, requests.new_request),
    (1, requests.begin_index),
    (2, arguments.odd_timestep),
    (3, arguments.odd_tensors),
    (1.5, arguments.another_dtype),
    (1, arguments.another_shape),
    (2, attributes.written_to),
    (2, attributes.exchanged),
    (0.7, attributes.odd_attribute),
    (1, attributes.configured_anew),
    (1, requests.copied),
    (0.7, requests.made_again),
    (1, requests.interleaved),
    (1, requests.again_from_the_start),
    (1.2, methods.noised),
    (1, methods.asked_directly),
    (6, solver.solver_of_odd_sigmas),
    (1, arguments.odd_arguments),
    (0.8, requests.gradients),
    (1, requests.after_an_error),
    (3, contexts.in_a_context),
)
"""In an order that stays: a situation's number draws from it."""
ACTIONS = {action.__name__: (weight, action) for weight, action in _WEIGHTED}
"""The actions by name, with their weights."""
