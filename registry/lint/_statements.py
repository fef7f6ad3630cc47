"""The statements of a function in the order in which they run, and what is known after each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from ._expressions import check_index, test, value
from ._names import annotated, path_of
from ._scope import Scope
from ._value import UNKNOWN, What

Definition = ast.FunctionDef | ast.AsyncFunctionDef
Nested = Callable[[Definition | ast.ClassDef, Scope], None]
"""Called for each definition inside of a function."""


def run(scope: Scope, statements: Sequence[ast.stmt], nested: Nested) -> bool:
    """Read statements; return whether the end of the last one can be reached."""
    return all(_Statement(scope, nested).run(statement) for statement in statements)


class _Statement:
    def __init__(self, scope: Scope, nested: Nested) -> None:
        self.scope, self.nested = scope, nested

    def run(self, node: ast.stmt) -> bool:
        """Read one statement; return whether its end can be reached."""
        scope = self.scope
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.nested(node, scope)
            case ast.Assign():
                for target in node.targets:
                    self._assign(target, node.value)
            case ast.AnnAssign():
                self._assign(node.target, node.value, node.annotation)
            case ast.AugAssign():
                self._augment(node)
            case ast.If():
                return self._if(node)
            case ast.While():
                self._loop(node.body, node.orelse, lambda: test(scope, node.test))
            case ast.For() | ast.AsyncFor():
                value(scope, node.iter)
                self._loop(node.body, node.orelse, lambda: scope.forget(node.target))
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    value(scope, item.context_expr)
                    if item.optional_vars is not None:
                        scope.forget(item.optional_vars)
                return run(scope, node.body, self.nested)
            case ast.Try():
                return self._try(node)
            case ast.Match():
                return self._match(node)
            case ast.Assert():
                test(scope, node.test)
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                self._expressions(node)
                return False
            case _:
                self._expressions(node)
        return True

    def _expressions(self, node: ast.stmt) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr) and not isinstance(getattr(child, "ctx", None), ast.Del):
                value(self.scope, child)

    def _assign(self, target: ast.expr, source: ast.expr | None, annotation: ast.expr | None = None) -> None:
        scope = self.scope
        if isinstance(target, ast.Tuple | ast.List) and isinstance(source, ast.Tuple | ast.List):
            if len(target.elts) == len(source.elts) and not any(isinstance(one, ast.Starred) for one in target.elts):
                for one, part in zip(target.elts, source.elts, strict=True):
                    self._assign(one, part)
                return
        found = value(scope, source) if source is not None else UNKNOWN
        if found.what is What.UNKNOWN and annotation is not None:
            found = annotated(annotation, path_of(target).rpartition(".")[2])
        if isinstance(target, ast.Subscript):
            base, index = value(scope, target.value), value(scope, target.slice)
            check_index(scope, target, base, index, found)
            scope.write(target, base)
            if base.waits and found.what is What.TENSOR and found.on_host:
                scope.hot_finding("SF204", target)
        elif path := path_of(target):
            scope.set(path, found)
        else:
            scope.forget(target)

    def _augment(self, node: ast.AugAssign) -> None:
        value(self.scope, node.value)
        if isinstance(node.target, ast.Subscript):
            self.scope.write(node.target, value(self.scope, node.target.value))
        elif (path := path_of(node.target)) and (known := self.scope.get(path)) is not None:
            self.scope.write(node.target, known)

    def _branches(self, bodies: Sequence[Callable[[], bool]]) -> bool:
        """Read alternatives, each from what is known now, and keep what holds after all that end."""
        before, ends = self.scope.state, []
        for body in bodies:
            self.scope.state = before.copy()
            if body():
                ends.append(self.scope.state)
        self.scope.state = ends[0] if ends else before
        for other in ends[1:]:
            self.scope.state.join(other)
        return bool(ends)

    def _if(self, node: ast.If) -> bool:
        test(self.scope, node.test)
        return self._branches([lambda: run(self.scope, node.body, self.nested), lambda: run(self.scope, node.orelse, self.nested)])

    def _loop(self, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], head: Callable[[], object]) -> None:
        """Read a loop twice: what the first round queued and assigned is there in the second."""
        for _ in range(2):
            head()
            self._branches([lambda: True, lambda: run(self.scope, body, self.nested)])
        run(self.scope, orelse, self.nested)

    def _try(self, node: ast.Try) -> bool:
        def body() -> bool:
            return run(self.scope, [*node.body, *node.orelse], self.nested)

        ends = self._branches([body, *((lambda one=handler: run(self.scope, one.body, self.nested)) for handler in node.handlers)])
        return run(self.scope, node.finalbody, self.nested) and ends

    def _match(self, node: ast.Match) -> bool:
        value(self.scope, node.subject)
        return self._branches([lambda: True, *((lambda one=case: run(self.scope, one.body, self.nested)) for case in node.cases)])


def parameters(scope: Scope, definition: Definition) -> None:
    """Record what the annotations of a function say of its parameters."""
    arguments = definition.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        scope.set(one.arg, annotated(one.annotation, one.arg))
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            scope.set(rest.arg, UNKNOWN)
