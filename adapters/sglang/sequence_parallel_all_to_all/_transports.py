"""SGLang's own transports, which stay upstream's even when an implementation is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def other_transport(usp: dict[str, Any]) -> Callable[[Any, torch.Tensor], bool]:
    """Return what tells whether ``_usp_all_to_all_single`` of 0.5.22 and newer sends a tensor over another transport.

    That is CUDA-IPC, and from 0.5.23 shared memory between CPU ranks.

    Args:
        usp: the globals of SGLang's module ``usp``.
    """
    from torch.compiler import is_compiling

    def takes(sp_group: Any, x: torch.Tensor) -> bool:
        if x.is_cuda:
            return not usp["_UNCACHED_STAGING"] and not is_compiling() and _ipc_takes_it(sp_group.ulysses_group)
        handle = getattr(sp_group, "ulysses_shm_handle", None)
        if handle is None or handle < 0:  # only the CPU platform makes a handle
            return False
        return bool(x.numel() * x.element_size() <= usp["SHM_ALLTOALL_MAX_BYTES"])

    return takes


def _ipc_takes_it(group: Any) -> bool:
    # Upstream's own import at the same place: the first call sets the transport up, on all ranks together.
    from sglang.multimodal_gen.runtime.distributed.device_communicators.ipc_a2a_multi import ipc_a2a_multi_ready

    return bool(ipc_a2a_multi_ready(group))
