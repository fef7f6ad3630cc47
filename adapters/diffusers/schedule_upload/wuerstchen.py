"""diffusers ``DDPMWuerstchenScheduler._alpha_cumprod``: two constants that it uploads, three times in each of two calls per step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def constants_on_the_device(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``_alpha_cumprod``: upstream's, on a view of the scheduler whose constants are on the device already."""
    import torch

    from syncfree.adapters.device_copies import device_copy
    from syncfree.adapters.host_view import view_of
    from syncfree.plugins.ordinary import is_ordinary

    @functools.wraps(upstream)
    def _alpha_cumprod(self: Any, t: Any, device: Any) -> Any:
        if not is_ordinary(t) or not isinstance(device, torch.device) or t.device != device:
            return NotImplemented
        if t.is_cpu:
            return upstream(self, t, device)  # nothing is uploaded
        offset, initial = (device_copy(one, t, upload) for one in (self.s, self._init_alpha_cumprod))
        if offset is None or initial is None:
            return NotImplemented
        view = view_of(self, s=offset, _init_alpha_cumprod=initial)
        return NotImplemented if view is None else upstream(view, t, device)

    return _alpha_cumprod
