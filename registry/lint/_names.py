"""Names in source code: what an import bound, dotted paths, and what a name's form says of its value."""

from __future__ import annotations

import ast

from ._value import ON_DEVICE, UNKNOWN, Place, Value, What

_HOST_ENDINGS = ("_cpu", "_np", "_numpy", "_host", "_list")
_HOST_ATTRIBUTES = ("cpu", "np")
"""The host's half of buffers with two, such as vLLM's ``CpuGpuBuffer``; ``gpu`` is the other."""


def imported(tree: ast.Module) -> dict[str, str]:
    """Return what each name that the file imports stands for: ``{"np": "numpy", "tensor": "torch.tensor"}``."""
    found = {"np": "numpy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def path_of(node: ast.expr) -> str:
    """Return ``a.b.c`` of such an expression, and nothing of any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join((node.id, *reversed(parts))) if isinstance(node, ast.Name) else ""


def by_its_name(path: str) -> Value:
    """Return what the last part of a path says: ``rows_cpu`` and ``rows_np`` are on the host, ``buffer.gpu`` is on the device."""
    before, _, last = path.rpartition(".")
    if last.endswith("_np") or (before and last == "np"):
        return Value(What.ARRAY, Place.HOST)
    if last.endswith(_HOST_ENDINGS) or (before and last in _HOST_ATTRIBUTES):
        return Value(What.UNKNOWN, Place.HOST)
    return ON_DEVICE if before and last == "gpu" else UNKNOWN


def annotated(annotation: ast.expr | None, name: str) -> Value:
    """Return what a parameter's annotation says; a union of a tensor and something else but None says nothing."""
    named = by_its_name(name)
    if annotation is None:
        return named
    parts = {part.strip() for part in _text(annotation).split("|")} - {"None"}
    of_name = {part.rpartition(".")[2] for part in parts}
    if of_name <= {"Tensor", "LongTensor", "FloatTensor", "BoolTensor", "IntTensor"}:
        mask = of_name == {"BoolTensor"} or name.endswith("mask")
        return Value(What.TENSOR, named.place, mask=mask) if named.place is Place.HOST else Value(What.TENSOR, mask=mask)
    if of_name == {"ndarray"} or all(part.startswith(("np.ndarray", "numpy.ndarray", "npt.NDArray", "NDArray")) for part in parts):
        return Value(What.ARRAY, Place.HOST)
    if all(part.split("[")[0].lower() in ("int", "float", "bool", "str", "list", "tuple", "dict", "set", "bytes") for part in parts):
        tensors = any("Tensor" in part for part in parts)  # list[torch.Tensor]
        return UNKNOWN if tensors else Value(What.PYTHON, Place.HOST)
    return named


def _text(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    if isinstance(annotation, ast.Subscript) and path_of(annotation.value).rpartition(".")[2] == "Optional":
        return _text(annotation.slice)
    return ast.unparse(annotation)
