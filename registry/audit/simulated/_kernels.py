"""The kernels of dispatch key CUDA: each runs the CPU's kernel on CPU tensors over the same memory."""

from __future__ import annotations

from typing import Any

import torch

from .._errors import AuditError
from .._record import is_active
from . import _forge, _kernel_syncs, _numbers, _ordering, _state

aten = torch.ops.aten
_has_kernel = torch._C._dispatch_has_computed_kernel_for_dispatch_key
# CUDA has its own kernels for these. Without them torch would use a composite, which computes differently or calls a
# CUDA-only stub, so they run as a whole on the host.
WHOLE = tuple(
    getattr(getattr(aten, name), overload)
    for name, overload in (
        ("convolution", "default"),
        ("convolution_backward", "default"),
        ("native_layer_norm", "default"),
        ("native_group_norm", "default"),
        ("silu_backward", "default"),
        ("mish_backward", "default"),
        ("addr", "default"),
        ("addr", "out"),
        ("any", "dims"),
        ("any", "dims_out"),
        ("all", "dims"),
        ("all", "dims_out"),
        ("linalg__powsum", "default"),
    )
    if hasattr(aten, name)  # linalg__powsum: since torch 2.10
)
_MAY_TAKE_HOST_TENSORS = {
    *("index", "_index_put_impl_", "_unsafe_index", "set_", "_local_scalar_dense"),
    *("_foreach_addcdiv", "_foreach_addcdiv_", "_foreach_addcmul", "_foreach_addcmul_"),  # the scalars
}
COMPOSITE = {"index.Tensor", "_foreach_copy_"}
"""Operators for which a GPU build has kernels, but which run as composites, because the waits are in their parts."""
_HOST_AUTOCAST = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
_NO_KERNELS = torch._C.DispatchKeySet(torch._C.DispatchKey.IPU)  # torch itself has no kernels for this key


def kernel(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Run one operator.

    In order: a view runs on the CUDA tensor's metadata; the operator's waits are recorded; operands are replaced by CPU
    tensors over their own memory; the CPU kernel runs; results are replaced by CUDA tensors, operands by the originals.
    """
    if _state.forked:
        _state.refuse_after_fork()
    if op.is_view:
        return _forge.metadata_only(op, *args, **kwargs)
    name = op._schema.name.partition("::")[2]
    if is_active() or _ordering.STATE.is_poisoning:
        _kernel_syncs.note(op, name, args, kwargs)
    kwargs.pop("pin_memory", None)
    call = _Call(op, name)
    host_args = [call.to_host(value) for value in args]
    host_kwargs = {key: call.to_host(value, fresh=call.is_empty_out(key, value)) for key, value in kwargs.items()}
    # Autocast has run above this kernel, with the device's rules; the CPU's must not run on the CPU tensors as well.
    with torch._C._ExcludeDispatchKeyGuard(_HOST_AUTOCAST):
        if name in _numbers.NAMES:
            result = _numbers.run(name, host_args, host_kwargs, args)
            if result is not NotImplemented:
                return call.to_device(result)
        return _run(call, host_args, host_kwargs, kwargs)


def _run(call: _Call, host_args: list[Any], host_kwargs: dict[str, Any], kwargs: dict[str, Any]) -> Any:
    """Run the host's kernel; ``kwargs`` are the keyword arguments on the device."""
    op = call.op
    try:
        return call.to_device(op(*host_args, **host_kwargs))
    except NotImplementedError as error:
        if _has_kernel(op.name(), "CPU"):
            raise
        return call.to_device(_in_terms_of_others(op, error)(*host_args, **host_kwargs))
    except RuntimeError as error:
        if "Unable to cast" in str(error):
            # A wrapped number (x % 5) arrives as a plain number, and conversion failed before the kernel began. The overload
            # for numbers promotes types as a wrapped number does.
            return call.to_device(op.overloadpacket(*host_args, **host_kwargs))
        if "not resizable" in str(error):
            # Memory from DLPack cannot grow, which a kernel detects before it writes: run it on new memory, and copy.
            outs = {argument.name for argument in op._schema.arguments if argument.is_out}
            own = {key: call.to_host(value, fresh=key in outs) for key, value in kwargs.items()}
            return call.to_device(op(*host_args, **own))
        raise


def composite(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Run the composite form of an operator that also has a CUDA kernel."""
    return op.redispatch(_NO_KERNELS, *args, **kwargs)


def _in_terms_of_others(op: Any, error: NotImplementedError) -> Any:
    """Return torch's decomposition of an operator that has only a CUDA kernel.

    Raises:
        AuditError: torch has no decomposition of it.
    """
    from torch._decomp import decomposition_table

    if op not in decomposition_table:
        raise AuditError(
            f"{op.name()} has only a CUDA kernel, which the simulated CUDA device cannot run: replace it by other operators "
            "for the audit"
        ) from error
    return decomposition_table[op]


class _Call:
    """The operands of one kernel call and the CPU tensors that replace them."""

    __slots__ = ("_operands", "name", "op")

    def __init__(self, op: Any, name: str) -> None:
        self.op = op
        self.name = name
        self._operands: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def is_empty_out(self, key: str, value: Any) -> bool:
        return key.startswith("out") and isinstance(value, torch.Tensor) and value.numel() == 0

    def to_host(self, value: Any, fresh: bool = False) -> Any:
        """Return the CPU form of one argument; ``fresh`` output arguments get memory that the kernel may resize."""
        if isinstance(value, torch.Tensor):
            if value.is_cuda:
                if _ordering.STATE.is_poisoning:
                    _ordering.check_operand(value)
                alias = torch.empty(0, dtype=value.dtype) if fresh else _forge.host(value)
                self._operands[id(alias)] = alias, value
                return alias
            if value.dim() and value.device.type == "cpu" and self.name not in _MAY_TAKE_HOST_TENSORS:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
                    f"(in {self.op})"
                )
            return value
        if type(value) in (list, tuple):
            return type(value)([self.to_host(item, fresh) for item in value])
        if isinstance(value, torch.device) and value.type == "cuda":
            return torch.device("cpu")
        return value

    def to_device(self, value: Any) -> Any:
        """Return the CUDA form of a result; for an operand, the caller's own tensor."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self._operands:
                return _forge.device(value)
            alias, original = self._operands[id(value)]
            if alias.shape != original.shape:
                original.data = _forge.device(alias)
            elif alias.data_ptr() != original.data_ptr():
                _forge.host(original).copy_(alias)
            return original
        if isinstance(value, (list, tuple)):
            items = [self.to_device(item) for item in value]
            return type(value)(items) if type(value) in (list, tuple) else type(value)(*items)
        return value
