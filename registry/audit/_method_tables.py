"""The method tables of torch's C++ objects: slot numbers come from the headers in the wheel. Needs the Itanium C++ ABI (Linux)."""

from __future__ import annotations

import ctypes
import os
import re
from typing import Any

import torch

from ._errors import AuditError

ROOT = os.path.dirname(torch.__file__)
Table = ctypes.c_void_p * 64
"""More slots than any of the classes in question has."""


def slots(header: str, struct: str, first: int = 0) -> dict[str, int]:
    """Return the indices of a class's own virtual methods: declaration order, a virtual destructor takes two slots.

    Raises:
        AuditError: the header does not declare the class.
        OSError: the header is not there.
    """
    with open(os.path.join(ROOT, "include", header)) as file:
        text = file.read()
    if struct not in text:
        raise AuditError(f"{header} of torch {torch.__version__} does not declare {struct!r}")
    body = re.sub(r"//.*", "", text.split(struct, 1)[1])
    found: dict[str, int] = {}
    index = first
    for name in re.findall(r"virtual\s+(?:[\w:<>&*\s]+?[\s&*])?(~?\w+)\s*\(", body):
        found.setdefault(name, index)
        index += 2 if name.startswith("~") else 1
    return found


def table_of(address: int) -> Any:
    """Return the method table of the C++ object at an address."""
    table = ctypes.c_void_p.from_address(address).value
    assert table is not None
    return Table.from_address(table)
