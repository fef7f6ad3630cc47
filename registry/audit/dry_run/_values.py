"""Real values on the dry-run device: after each operator of ATen the host's kernel computes the same on the same memory.

In this order, for an operator that has a tensor of the device among its operands or is asked for one:

1. what it writes is kept as it was;
2. the operator runs on the device: its waits, copies and launches are counted, its kernels do nothing;
3. what it writes is put back, and the operator runs on CPU tensors over the device's memory;
4. results of the device get the host's values; where the device's own result has another shape, because that depends on data
   which no kernel computed, a new tensor takes its place.

An operator that the host cannot compute is named in `Values.missing`: from there on values are not real. A custom operator
takes part when its body is written in Python, or when `cpu_body` has been given one. A Triton kernel is computed by Triton's
interpreter. Random numbers are those of a generator of the host with the same seed.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

from .. import _printing
from .._errors import AuditError
from .._printing import KeptWhilePrinting
from .._stacks import user_location
from . import _python_bodies, _random, _triton
from ._cpu_body import registered
from ._host_tensors import host, is_on_device, on_host, tensors, with_values, written_operands
from ._load import is_zeroed

_AUTOCAST = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
_UNDEFINED = (
    *("empty", "new_empty", "record_stream", "set_", "resize_", "_resize_output"),
    *("_pin_memory", "is_pinned", "detach", "lift_fresh", "_cudnn_rnn_flatten_weight"),
)
"""Operators that compute nothing: memory whose content is not defined, metadata, and copies by cudaMemcpy."""
_COLLECTIVES = ("c10d::", "_c10d_functional::", "_c10d_functional_autograd::")
"""Operators whose values are real on the device: the stub of NCCL moves the bytes."""
_log = logging.getLogger("syncfree")


class Values(KeptWhilePrinting):
    """A mode in which operators on the dry-run device have their values; for the thread that enters it.

    Attributes:
        computed: how often each operator was computed.
        missing: what could not be computed, with the reason, and how often.

    Args:
        on_missing: called with the operator, the reason and the line that used it, when one could not be computed for the first
            time; by default that is logged as a warning.

    Raises:
        AuditError: the device was not installed for values.
    """

    def __init__(self, on_missing: Callable[[str], None] | None = None) -> None:
        if not is_zeroed():
            raise AuditError("values need the dry-run device as dry_run.install(values=True) or `syncfree audit --values` prepare it")
        super().__init__()  # type: ignore[no-untyped-call]
        self.computed: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        _printing.install()
        _triton.connect(Values, Values._compute_kernel, on_host)
        self._on_missing = on_missing or (lambda what: _log.warning("syncfree: dry run: values are not real after %s", what))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None:
            return func(*args, **kwargs)  # a fake tensor has no memory
        if any(one.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ for one in types):
            return NotImplemented  # a wrapper of tensors, which has no memory: what it makes of the call comes here
        if _is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        name = func._schema.name
        if not is_on_device(args, kwargs) or func.is_view or _is_real_there(name):
            return func(*args, **kwargs)
        body = registered.get(name, func if name.startswith("aten::") else None)
        if body is None:
            result, computed = _python_bodies.run(self, func, args, kwargs)
            if not computed:
                self._miss(f"{name}: no cpu_body")
            return result
        if tensors((args, kwargs), _has_no_memory_of_the_host):
            self._miss(f"{name}: a nested or quantized tensor")
            return func(*args, **kwargs)
        generators = _random.begin((args, kwargs))
        written = [(tensor, tensor.clone()) for tensor in map(host, written_operands(func, args, kwargs))]
        failure: Exception | None = None
        result = None
        try:
            result = func(*args, **kwargs)
        except (RuntimeError, IndexError) as error:
            if "on the same device" in str(error):
                raise  # the host, on which every tensor is, would not object
            failure = error  # it may have looked at what its kernels did not compute
        for tensor, before in written:
            tensor.copy_(before)
        try:
            with torch._C._ExcludeDispatchKeyGuard(_AUTOCAST):
                values = _compute(func, body, args, kwargs)
        except NotImplementedError as error:
            self._miss(f"{name}: {str(error).splitlines()[0][:100]}")
            if failure is not None:
                raise failure from None
            return result
        if tensors((args, kwargs, values), lambda tensor: tensor.layout is not torch.strided):
            self._miss(f"{name}: a sparse tensor")
            return result
        if tensors((values, result), _has_no_memory_of_the_host):
            self._miss(f"{name}: a nested or quantized tensor")
            return result
        self.computed[name] += 1
        _random.end(generators)
        return with_values(values, result, (*args, *kwargs.values()))

    def _compute_kernel(self, name: str, compute: Callable[[], None]) -> None:
        try:
            compute()
            self.computed[f"triton {name}"] += 1
        except Exception as error:  # noqa: BLE001 - the interpreter raises anything for what it cannot run
            self._miss(f"triton {name}: {type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''}")

    def _miss(self, what: str) -> None:
        self.missing[what] += 1
        if self.missing[what] == 1:
            self._on_missing(f"{what} at {user_location()}")


@functools.cache
def _is_composite(func: Any) -> bool:
    """Return whether an operator only calls others; in inference mode it comes here before it has, and may look like a view."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _has_no_memory_of_the_host(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is more than numbers in memory: a nested one without a layout of its own, or a quantized one."""
    return tensor.is_quantized or (tensor.is_nested and type(tensor) is torch.Tensor)


def _compute(func: Any, body: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func in (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default):
        kwargs = {key: value for key, value in kwargs.items() if key != "non_blocking"}
    host_args = tree_map(on_host, args)
    host_kwargs = {key: tree_map(on_host, value) for key, value in kwargs.items() if key != "pin_memory"}
    return body(*host_args, **host_kwargs)


def _is_real_there(name: str) -> bool:
    return name.startswith(_COLLECTIVES) or name.removeprefix("aten::").startswith(_UNDEFINED)
