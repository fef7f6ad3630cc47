"""The value of an expression, and the mistakes in it."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import reduce

from . import _calls
from ._call import Call
from ._names import by_its_name, path_of
from ._scope import Scope
from ._value import NONE, PYTHON, UNKNOWN, Place, Value, What, joined

_SIZES = ("shape", "ndim", "dtype", "layout", "is_cuda", "is_cpu", "requires_grad", "itemsize", "nbytes", "size")


def value(scope: Scope, node: ast.expr | None) -> Value:
    """Return what is known of an expression's value; report the mistakes in it, each of its parts once."""
    match node:
        case None:
            return NONE
        case ast.Constant():
            return NONE if node.value is None else PYTHON
        case ast.Name() | ast.Attribute():
            return _named(scope, node)
        case ast.Call():
            return _called(scope, node)
        case ast.Subscript():
            return _element(scope, node)
        case ast.BinOp():
            operands = [value(scope, node.left), value(scope, node.right)]
            return _computed(operands, mask=all(one.mask for one in operands))
        case ast.UnaryOp():
            operand = test(scope, node.operand) if isinstance(node.op, ast.Not) else value(scope, node.operand)
            return PYTHON if isinstance(node.op, ast.Not) else replace(operand.computed(), mask=operand.mask)
        case ast.Compare():
            return _compared(scope, node)
        case ast.BoolOp():
            *heads, last = node.values
            found = [test(scope, head) for head in heads]
            return reduce(joined, [*found, value(scope, last)])
        case ast.IfExp():
            test(scope, node.test)
            return joined(value(scope, node.body), value(scope, node.orelse))
        case ast.NamedExpr():
            found_value = value(scope, node.value)
            scope.set(node.target.id, found_value)
            return found_value
        case ast.Lambda():
            return UNKNOWN
        case ast.Starred() | ast.Await() | ast.YieldFrom():
            value(scope, node.value)
            return UNKNOWN
        case _:
            return _compound(scope, node)


def test(scope: Scope, node: ast.expr) -> Value:
    """Return what an expression yields whose truth is asked, which reads a tensor."""
    found = value(scope, node)
    if found.waits or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("any", "all") and not found.on_host
    ):
        scope.hot_finding("SF207", node)
    scope.read(node, found)
    return found


def _called(scope: Scope, node: ast.Call) -> Value:
    function = node.func
    path = path_of(function)
    owner = value(scope, function.value) if isinstance(function, ast.Attribute) else UNKNOWN
    if not isinstance(function, ast.Attribute | ast.Name):
        value(scope, function)
    arguments = tuple(value(scope, argument) for argument in node.args)
    keywords = {keyword.arg or "**": value(scope, keyword.value) for keyword in node.keywords}
    name = scope.full_name(path)
    method = name.rpartition(".")[2] if name else function.attr if isinstance(function, ast.Attribute) else ""
    return _calls.result(scope, Call(node, name, method, owner, arguments, keywords))


def _named(scope: Scope, node: ast.Name | ast.Attribute) -> Value:
    path = path_of(node)
    base = value(scope, node.value) if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name) else None
    if path and (known := scope.get(path)) is not None:
        return known
    if not isinstance(node, ast.Attribute):
        return by_its_name(node.id)
    owner = base if base is not None else value(scope, node.value)
    if path.startswith("math."):
        return PYTHON
    if node.attr == "device":
        return Value(What.DEVICE, owner.place if owner.what is not What.UNKNOWN else Place.UNKNOWN)
    if owner.what in (What.TENSOR, What.ARRAY):
        if node.attr in _SIZES:
            return PYTHON
        return owner if node.attr in ("T", "mT", "H", "data", "real", "imag") else UNKNOWN
    return by_its_name(path or f"x.{node.attr}")


def _element(scope: Scope, node: ast.Subscript) -> Value:
    base, index = value(scope, node.value), _index(scope, node.slice)
    path = path_of(node.value)
    if isinstance(node.slice, ast.Slice) and base.what in (What.TENSOR, What.ARRAY):
        return base
    if isinstance(node.ctx, ast.Load):
        check_index(scope, node, base, index)
    if base.what not in (What.TENSOR, What.ARRAY):
        return replace(UNKNOWN, place=base.place if path else Place.UNKNOWN)
    return replace(base, mask=False) if index.what in (What.PYTHON, What.UNKNOWN) else base.computed()


def _index(scope: Scope, node: ast.expr) -> Value:
    if isinstance(node, ast.Tuple):
        found = [value(scope, element) for element in node.elts]
        return next((one for one in found if one.mask), next((one for one in found if one.what is What.TENSOR), PYTHON))
    return value(scope, node)


def check_index(scope: Scope, node: ast.Subscript, base: Value, index: Value, stored: Value | None = None) -> None:
    """Report an index that makes the host wait, in a read or, with the stored value, in a store."""
    if base.on_host:
        return
    number = stored is not None and stored.what is What.PYTHON
    unnamed_mask = isinstance(node.slice, ast.Compare) and index.what in (What.TENSOR, What.UNKNOWN) and not index.on_host
    if (index.mask and not index.on_host) or unnamed_mask:
        if not number:
            scope.hot_finding("SF206", node)
    elif isinstance(node.slice, ast.List) or (index.what in (What.TENSOR, What.ARRAY) and index.on_host and base.what is What.TENSOR):
        scope.hot_finding("SF212", node)
    elif number and index.waits and base.what is What.TENSOR:
        scope.hot_finding("SF213", node)


def _compared(scope: Scope, node: ast.Compare) -> Value:
    operands = [value(scope, operand) for operand in (node.left, *node.comparators)]
    if any(isinstance(operator, ast.Is | ast.IsNot | ast.In | ast.NotIn) for operator in node.ops):
        return PYTHON
    return _computed(operands, mask=True)


def _computed(operands: list[Value], *, mask: bool) -> Value:
    tensors = [one for one in operands if one.what is What.TENSOR]
    if not tensors:
        plain = all(one.what in (What.PYTHON, What.NONE) for one in operands)
        arrays = any(one.what is What.ARRAY for one in operands)
        return PYTHON if plain else Value(What.ARRAY, Place.HOST) if arrays else UNKNOWN
    place = Place.HOST if all(one.on_host for one in operands) else Place.UNKNOWN
    if any(one.place is Place.DEVICE for one in tensors):
        place = Place.DEVICE
    return Value(What.TENSOR, place, False if place is Place.HOST else None, mask=mask)


def _compound(scope: Scope, node: ast.expr) -> Value:
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            found = [value(scope, element) for element in node.elts]
            if all(one.what in (What.PYTHON, What.NONE) for one in found):
                return PYTHON
            places = {one.place for one in found}
            return replace(UNKNOWN, place=places.pop()) if len(places) == 1 else UNKNOWN
        case ast.JoinedStr():
            for part in node.values:
                if isinstance(part, ast.FormattedValue) and value(scope, part.value).waits:
                    scope.hot_finding("SF207", part.value)
            return PYTHON
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            with scope.inner():
                for generator in node.generators:
                    value(scope, generator.iter)
                    scope.forget(generator.target)
                    for condition in generator.ifs:
                        test(scope, condition)
                for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                    value(scope, part)
            return UNKNOWN
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            value(scope, child)
    return UNKNOWN

