"""Compare the numbers of waits on the two devices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

Counts = dict[str, list[Any]]
"""By operator, for each of its samples: waits of the operator and of its backward, or why it could not run."""


def compared(with_values: Counts, plain: Counts, simulated: Counts) -> dict[str, Any]:
    """Sort the operators by how their numbers differ.

    PyTorch's number is that of a dry run with values or without: a path that depends on data needs values, and under the dispatch
    mode that computes them some operators take another path.

    Returns:
        ``agree``: names of the operators whose numbers equal one of the two in every sample that ran. By name, the numbers ``[with
        values, without, simulated device]`` of the first sample that shows it: ``free on the simulated device`` (it waits in
        PyTorch's code), ``fewer`` and ``more`` waits there, and ``only on the simulated device``. ``could not run``: the reason,
        where no sample ran in the dry run with values and on the simulated device. ``samples``: how many were compared, and not.
    """
    result: dict[str, Any] = {"agree": [], **{key: {} for key, _ in _DIFFERENCES}, "could not run": {}}
    result["samples"] = {"compared": 0, "not compared": 0}
    for name, samples in with_values.items():
        of_plain, ours = (counts.get(name, []) for counts in (plain, simulated))
        ran = [
            (values, other if not isinstance(other, str) else values, number)
            for values, other, number in zip_longest(samples, of_plain, ours, fillvalue="not run")
            if not isinstance(values, str) and not isinstance(number, str)
        ]
        result["samples"]["compared"] += len(ran)
        result["samples"]["not compared"] += max(len(samples), len(ours)) - len(ran)
        if not ran:
            result["could not run"][name] = _reason(samples, ours)
            continue
        triples = [triple for numbers in ran for triple in zip(*numbers, strict=True)]
        for key, is_so in _DIFFERENCES:
            found = [triple for triple in triples if is_so(max(triple[:2]), triple[2]) and _differs(*triple)]
            if found:
                result[key][name] = found[0]
                break
        else:
            result["agree"].append(name)
    return result


_DIFFERENCES: tuple[tuple[str, Callable[[int, int], bool]], ...] = (
    ("free on the simulated device", lambda theirs, ours: ours == 0 < theirs),
    ("only on the simulated device", lambda theirs, ours: theirs == 0 < ours),
    ("fewer", lambda theirs, ours: ours < theirs),
    ("more", lambda theirs, ours: ours > theirs),
)


def _differs(with_values: int, plain: int, ours: int) -> bool:
    return ours not in (with_values, plain) or ours == 0 < max(with_values, plain)


def _reason(samples: list[Any], ours: list[Any]) -> str:
    for text in samples:
        if isinstance(text, str):
            return f"in the dry run: {text}"
    return f"on the simulated device: {ours[0]}" if ours else "the database has no sample"
