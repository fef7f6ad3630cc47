"""The mistakes in one call; each function yields codes."""

from __future__ import annotations

from collections.abc import Iterator

from ._call import Call
from ._scope import Scope
from ._value import Place, What

_SHAPES = frozenset(("nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "bincount", "histc"))
_SOLVERS = frozenset(("solve", "inv", "cholesky", "lu_factor"))
_DECOMPOSITIONS = frozenset(("eigh", "eig", "svd", "svdvals", "pinv", "matrix_rank", "lstsq"))
_READS = frozenset(("item", "tolist"))
_NUMBER_OF = frozenset(("int", "float"))


def check(scope: Scope, call: Call) -> None:
    """Report the mistakes in a call; record what it copies and what it waits for."""
    for code in _queued_copies(scope, call):
        scope.report(code, call.node)
    for code in _waits(call):
        scope.hot_finding(code, call.node)
    if call.method in _READS:
        scope.read(call.node, call.owner)
    if call.name in (*_NUMBER_OF, "bool"):
        scope.read(call.node, call.first())
    if call.method.endswith("_") and not call.method.endswith("__"):
        scope.write(call.node, call.owner)
    if call.name == "numpy.copyto":
        scope.write(call.node, call.first())
    if call.method == "copy_" and call.is_true("non_blocking"):
        _record_copy(scope, call)
    if _may_wait(call):
        scope.state.waited()


def _may_wait(call: Call) -> bool:
    """Return whether the host may have waited: functions that are not known are taken at their names."""
    if call.method in ("item", "tolist", "cpu") and not call.owner.on_host:
        return True
    return any(word in call.method.lower() for word in ("sync", "wait", "query")) and call.method not in ("wait_stream", "wait_event")


def _queued_copies(scope: Scope, call: Call) -> Iterator[str]:
    if not call.is_true("non_blocking"):
        return
    if call.method == "copy_":
        source, destination = call.first(), call.owner
        if source.pageable and not destination.on_host:
            yield "SF101"
        elif destination.pageable and not source.on_host:
            yield "SF102"
    elif call.owner.pageable and (call.method == "cuda" or (call.method == "to" and call.moved_to() in (Place.DEVICE, Place.UNKNOWN))):
        yield "SF101"


def _record_copy(scope: Scope, call: Call) -> None:
    source, destination = call.first(), call.owner
    if source.what is What.TENSOR and source.on_host and source.pinned is not False and source.buffer and not destination.on_host:
        scope.state.uploading.add(source.buffer)
    if destination.what is What.TENSOR and destination.on_host and destination.buffer and not source.on_host:
        scope.state.downloading.add(destination.buffer)


def _waits(call: Call) -> Iterator[str]:
    first = call.first()
    of_torch = call.name.startswith("torch.")
    if call.name.startswith("numpy."):
        return
    if not of_torch and call.name not in ("int", "float", "bool", "range"):
        yield from _of_method(call)
    elif call.name in _NUMBER_OF and first.waits:
        yield "SF201"
    elif call.name in ("bool", "range") and first.waits:
        yield "SF207"
    elif call.name in ("torch.tensor", "torch.as_tensor", "torch.asarray"):
        if call.place() is Place.DEVICE and not call.is_of_nothing() and (call.method == "tensor" or first.on_host):
            yield "SF203"
    elif call.method == "synchronize":
        yield "SF208"
    elif not first.on_host:
        one_argument = len(call.arguments) + len(call.keywords) == 1
        if call.method in _SHAPES or (call.method == "where" and one_argument):
            yield "SF205"
        elif call.name.startswith("torch.linalg."):
            yield from ["SF209"] if call.method in _SOLVERS else ["SF210"] if call.method in _DECOMPOSITIONS else []
        elif call.method in ("equal", "allclose"):
            yield "SF214" if call.method == "equal" else "SF215"
        elif call.method == "repeat_interleave" and len(call.arguments) > 1 and _by_a_tensor(call, 1):
            yield "SF211"


def _of_method(call: Call) -> Iterator[str]:
    owner, method = call.owner, call.method
    if method == "synchronize" and not call.arguments:
        yield "SF208"
    if method in ("to", "cuda") and owner.place is Place.HOST and owner.what in (What.TENSOR, What.UNKNOWN):
        blocking = not (call.keyword("non_blocking") and not call.is_false("non_blocking"))
        if blocking and (method == "cuda" or call.moved_to() in (Place.DEVICE, Place.UNKNOWN)):
            yield "SF204"
    if owner.on_host:
        return
    if method == "item" and not call.arguments:
        yield "SF201"
    elif (method in ("tolist", "cpu") and not call.arguments) or (
        method == "to" and call.moved_to() is Place.HOST and not call.is_true("non_blocking")
    ):
        yield "SF202"
    elif method == "new_tensor" and not call.is_of_nothing():
        yield "SF203"
    elif method in _SHAPES:
        yield "SF205"
    elif method == "repeat_interleave" and _by_a_tensor(call, 0):
        yield "SF211"


def _by_a_tensor(call: Call, place: int) -> bool:
    repeats = call.keywords.get("repeats") or (call.arguments[place] if len(call.arguments) > place else None)
    return repeats is not None and repeats.waits and "output_size" not in call.keywords
