"""The table of checks: what each one means, where it runs, and on which others it depends. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["host", "device"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: the name in test ids and reports; also the name of the function in the module ``module``.
        means: what holds when it passes, in one line.
        module: the module of the package that has the function.
        after: the checks that must not have failed; otherwise this one is skipped, because its result would mean nothing.
        where: ``host`` runs on CPU tensors, ``device`` on a GPU, which is simulated where there is none.
    """

    name: str
    means: str
    module: str
    after: tuple[str, ...] = ("signature", "returns")
    where: Place = "host"


_TYPED = ("signature", "returns", "types")
_ALL = (
    Check("signature", "a call of the contract, by position, can be made", "_calling", ()),
    Check("returns", "every call returns within the time limit", "_calling", ("signature",)),
    Check("raises", "a call raises only where the reference does", "_calling"),
    Check("types", "types, dtypes and shapes of results are the reference's", "_values"),
    Check("reference", "values agree with the reference", "_values", _TYPED),
    Check("exact", "declared exact: values agree bit for bit", "_values", _TYPED),
    Check("upstream", "results are those of the real function of an installed framework", "_upstream", _TYPED),
    Check("unchanged", "answered calls change no argument that the contract protects", "_values"),
    Check("declines", "declined calls change nothing, and not all are declined", "_values"),
    Check("aliasing", "results share memory with arguments only as the reference's do", "_values"),
    Check("threads", "calls from several threads at once do what each does alone", "_stress"),
    Check("memory", "10,000 calls keep no memory", "_stress"),
    Check("compiled", "a compiled caller breaks and recompiles no more than with the reference", "_compiled", _TYPED),
    Check("ranks_2", "two ranks, real processes: the exchange is the reference's", "_ranks", _TYPED),
    Check("ranks_4", "four ranks, real processes: the exchange is the reference's", "_ranks", _TYPED),
    Check("device", "results are on the device where the reference puts them", "_device", _TYPED, "device"),
    Check("waits", "no call makes the host wait more often than declared", "_device", where="device"),
    Check("poison", "pinned memory is read and written only after a wait", "_device", where="device"),
)

CHECKS: dict[str, Check] = {check.name: check for check in _ALL}
"""Every check by name, in the order in which they run."""
