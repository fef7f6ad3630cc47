"""The values of calls, and the mistakes in them."""

from __future__ import annotations

from dataclasses import replace

from ._call import Call, place_of
from ._checks import check
from ._scope import Scope
from ._value import ON_DEVICE, PYTHON, UNKNOWN, Place, Value, What

FACTORIES = frozenset(
    f"torch.{name}"
    for name in (
        *("tensor", "zeros", "ones", "empty", "full", "arange", "linspace", "logspace", "rand", "randn", "randint", "randperm"),
        *("eye", "tril_indices", "triu_indices", "as_tensor", "asarray", "from_numpy", "frombuffer"),
        *("Tensor", "FloatTensor", "LongTensor", "IntTensor", "BoolTensor"),
    )
)
_SAME_MEMORY = frozenset(
    (
        *("view", "view_as", "reshape", "flatten", "unsqueeze", "squeeze", "expand", "transpose", "permute", "narrow", "select"),
        *("contiguous", "detach", "unflatten", "t", "swapaxes", "movedim", "ravel", "requires_grad_"),
    )
)
_NUMBERS = frozenset(("item", "tolist", "size", "dim", "numel", "nelement", "element_size", "stride", "data_ptr", "is_contiguous"))
_TESTS = frozenset(("is_pinned", "is_floating_point", "is_complex", "is_shared", "get_device", "storage_offset"))
_MASKS = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "isin", "isnan", "isinf", "isfinite", "bool", "logical_not"))
_OF_LISTS = frozenset(("cat", "concat", "concatenate", "stack", "hstack", "vstack"))
_CASTS = frozenset(("long", "int", "float", "half", "double", "short", "bfloat16", "to", "type", "type_as"))


def result(scope: Scope, call: Call) -> Value:
    """Return what a call yields; report the mistakes in it, and record what it copies and waits for."""
    check(scope, call)
    if call.name in FACTORIES:
        return _made(scope, call)
    if call.name == "torch.device":
        place = place_of(call.node.args[0], call.first()) if call.node.args else None
        return Value(What.DEVICE, place or Place.UNKNOWN)
    if call.name in ("len", "int", "float", "bool", "str", "range", "list", "sorted", "isinstance", "torch.equal", "torch.allclose"):
        return PYTHON
    if call.name.startswith("math."):
        return PYTHON
    if call.name.startswith("numpy."):
        return Value(What.ARRAY, Place.HOST)
    if call.name.startswith("torch.") and call.owner.what is not What.TENSOR:
        return _function(call)
    return _method(scope, call)


def _made(scope: Scope, call: Call) -> Value:
    place, first = call.place(), call.first()
    if call.method in ("as_tensor", "asarray") and place is None:
        if first.what is What.UNKNOWN or first.what is What.TENSOR:
            return replace(first, what=What.TENSOR)
    if call.method in ("from_numpy", "frombuffer"):
        return Value(What.TENSOR, Place.HOST, first.pinned if first.buffer else False, buffer=first.buffer or scope.made(call.node))
    if place is None:
        place = Place.HOST if scope.host_by_default else Place.UNKNOWN
    if place is not Place.HOST:
        return Value(What.TENSOR, place)
    return Value(What.TENSOR, place, call.pinned(), buffer=scope.made(call.node))


def _function(call: Call) -> Value:
    """Return what another function of torch yields: where a tensor among its arguments is."""
    if call.method.endswith("_like") and call.place() is not None:
        return Value(What.TENSOR, call.place() or Place.UNKNOWN)
    tensors = [one for one in (*call.arguments, *call.keywords.values()) if one.what is What.TENSOR]
    if call.name.count(".") != 1 and not call.name.startswith(("torch.linalg.", "torch.nn.functional.")):
        return UNKNOWN
    if call.method in _OF_LISTS and (place := call.first().place) is not Place.UNKNOWN:
        return Value(What.TENSOR, place, False if place is Place.HOST else None)
    if any(one.place is Place.DEVICE for one in tensors):
        return replace(ON_DEVICE, mask=call.method in _MASKS)
    if tensors and all(one.on_host for one in call.arguments):
        return Value(What.TENSOR, Place.HOST, False, mask=call.method in _MASKS)
    return Value(What.TENSOR, mask=call.method in _MASKS) if tensors else UNKNOWN


def _method(scope: Scope, call: Call) -> Value:
    owner = call.owner
    if call.method in ("to", "cuda", "cpu"):
        return _moved(scope, call)
    if call.method == "pin_memory":
        return Value(What.TENSOR, Place.HOST, True, buffer=scope.made(call.node))
    if call.method == "numpy":
        return replace(owner, what=What.ARRAY, place=Place.HOST)
    if call.method in _NUMBERS or call.method in _TESTS:
        return PYTHON
    if call.method.startswith("new_") and owner.what is What.TENSOR:
        return Value(What.TENSOR, call.place() or owner.place)
    if owner.what is What.ARRAY:
        return replace(owner, mask=False) if call.method in _SAME_MEMORY else Value(What.ARRAY, Place.HOST)
    if owner.what is not What.TENSOR:
        return replace(UNKNOWN, place=owner.place) if call.method in _SAME_MEMORY | _CASTS else UNKNOWN
    if call.method in _SAME_MEMORY or (call.method.endswith("_") and not call.method.endswith("__")):
        return owner
    if call.method in _CASTS:
        return replace(owner, pinned=None if owner.pinned else owner.pinned, mask=False)
    return replace(owner.computed(), mask=call.method in _MASKS or (owner.mask and call.method in ("clone", "any", "all")))


def _moved(scope: Scope, call: Call) -> Value:
    owner = call.owner
    place = {"cuda": Place.DEVICE, "cpu": Place.HOST}.get(call.method) or call.moved_to()
    queued = call.is_true("non_blocking")
    if place is None:
        return replace(owner, pinned=None if owner.pinned else owner.pinned, mask=False)
    if place is Place.HOST:
        if owner.on_host:
            return owner
        buffer = scope.made(call.node)
        if queued:
            scope.state.downloading.add(buffer)
        return Value(What.TENSOR, Place.HOST, queued, owner.mask, buffer)
    if queued and owner.what is What.TENSOR and owner.place is Place.HOST and owner.pinned is not False and owner.buffer:
        scope.state.uploading.add(owner.buffer)
    return Value(What.TENSOR, place, mask=owner.mask)
