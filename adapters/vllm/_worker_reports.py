"""The answers of the workers, checked: every field that is used is there and of its type. A server may answer anything."""

from __future__ import annotations

import json
from typing import Any

from ._http import Answer

_ANY = "any name"
_LONGEST = 10_000
_GREATEST = (1 << 63) - 1

_COUNTS = {"calls": int, "declines": int}
_BINDING = {
    "hook": str,
    "verdict": str,
    "state": str,
    "choice": str,
    "source": str,
    "reason": str,
    "counts": {_ANY: {_ANY: _COUNTS}},
}
_WORKER = {
    "host": str,
    "pid": int,
    "rank": (None, {"index": int, "size": int}),
    "manifest": str,
    "bindings": [_BINDING],
    "broken_plugins": [str],
}


class WrongShape(ValueError):
    """An answer that is not one of our workers; the message says where."""


def worker_plans(by_server: Answer) -> list[dict[str, Any]]:
    """Return the plans of all workers from an answer of vLLM's ``/collective_rpc``; one at least.

    Raises:
        WrongShape: the answer is something else.
    """
    if by_server.media_type not in (None, "application/json"):
        raise WrongShape(f"it is of type {by_server.media_type[:50]!r}, not 'application/json'")
    try:
        answer = json.loads(by_server.body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise WrongShape(f"it is not JSON: {error}") from error
    _check(answer, {"results": [[_WORKER]]}, "it")
    found = [one for of_worker in answer["results"] for one in of_worker]
    if not found or not all(answer["results"]):
        raise WrongShape("a worker, or every one, answered nothing")
    for one in found:
        if one["rank"] is not None and one["rank"]["index"] >= one["rank"]["size"]:
            raise WrongShape(f"rank {one['rank']['index']} is not one of {one['rank']['size']}")
    return found


def _refuse(constant: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"it has {constant}")


def _check(value: object, shape: Any, where: str) -> None:
    """Raise `WrongShape` unless a value fits: a type, a list of one shape, fields with theirs, or None and a shape."""
    if isinstance(shape, tuple):
        if value is not None:
            _check(value, shape[1], where)
    elif isinstance(shape, list):
        for index, item in enumerate(_of(list, value, where)):
            _check(item, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        _check_fields(_of(dict, value, where), shape, where)
    else:
        _of(shape, value, where)


def _check_fields(value: dict[str, Any], shape: dict[str, Any], where: str) -> None:
    if _ANY in shape:
        shape = dict.fromkeys(value, shape[_ANY])
    for name, of_field in shape.items():
        if name not in value:
            raise WrongShape(f"{where} has no {name!r}")
        _check(value[name], of_field, f"{where}.{name[:50]}")


def _of(kind: type, value: object, where: str) -> Any:
    if type(value) is not kind:
        raise WrongShape(f"{where} is of type {type(value).__name__}, not {kind.__name__}")
    if isinstance(value, int) and not 0 <= value <= _GREATEST:
        raise WrongShape(f"{where} is out of range")
    if isinstance(value, str) and len(value) > _LONGEST:
        raise WrongShape(f"{where} has {len(value)} characters")
    return value
