"""The scalars of a solver's step from a table: they are computed once per schedule, position and form.

What they depend on, and where that is in the key: the schedules' values and dtypes, by content on the host, and by the tensor at
its version and address on a CUDA device, where values cannot be read without a wait; the device and the stream; the position, the
form and the function. They are computed from copies, because upstream reads some of them straight out of the schedule, to which a
user may write. Not in the key, because none of it changes a scalar: default dtype and device, autocast, threads, deterministic
algorithms; on the host the flushing of sub-normal numbers, because schedules that may come near them get no table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from syncfree.plugins.ordinary import is_traced

from ._tables import table_of_several, table_on_a_device, table_on_the_host

Schedules = tuple[torch.Tensor, ...]


def step_coefficients(
    schedules: Schedules, position: int, form: Hashable, compute: Callable[[Schedules, int, Hashable], Schedules]
) -> Schedules:
    """Implement the contract of `syncfree.hooks.step_coefficients`."""
    if is_traced():
        return NotImplemented  # type: ignore[no-any-return]
    if len(schedules) > 1:
        table = table_of_several(schedules)
    else:
        table = table_on_a_device(schedules[0]) if schedules[0].is_cuda else table_on_the_host(schedules[0])
    if table is None:
        return NotImplemented  # type: ignore[no-any-return]
    key = compute, position, form
    found = table.steps.get(key)
    if found is None:
        with torch.inference_mode(False):  # an inference tensor kept for later would break a caller who needs gradients
            found = compute(tuple(one.clone() for one in schedules), position, form)
        if all(type(one) is torch.Tensor for one in found):  # no mode of the caller's has made something else of them
            table.steps[key] = found
    return found
