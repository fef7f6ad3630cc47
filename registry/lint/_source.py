"""Check one source text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from ._finding import Finding
from ._marks import Suppressions, is_hot
from ._names import imported, path_of
from ._scope import Scope
from ._settings import Settings
from ._statements import Definition, parameters, run
from ._value import UNKNOWN, State, Value, joined

_DEFAULT_DEVICE = ("torch.set_default_device", "torch.device")


def check_source(source: str, file: str = "<string>", module: str = "", settings: Settings | None = None) -> list[Finding]:
    """Return the findings in a source text, sorted by place, without those that ``# noqa: SF...`` suppresses.

    Args:
        source: a module; it is parsed by the running Python, not executed.
        file: named in the findings.
        module: its dotted name, which the patterns of ``settings.hot`` are compared with.
        settings: which functions are hot, and which codes are ignored; without it, marked functions and none.

    Raises:
        SyntaxError: this Python cannot parse it.
        ValueError: it contains null bytes (before Python 3.12).
    """
    return _Checker(source, file, module, settings or Settings()).findings()


@dataclass(frozen=True, slots=True)
class _Around:
    """The surroundings of a definition."""

    name: str = ""
    hot: bool = False
    state: State | None = None
    attributes: Callable[[], Mapping[str, Value]] = dict


class _Checker:
    def __init__(self, source: str, file: str, module: str, settings: Settings) -> None:
        self.tree = ast.parse(source)
        self.lines = source.splitlines()
        self.file, self.module, self.settings = file, module, settings
        self.suppressions = Suppressions(source)
        self.names = imported(self.tree)
        self.host_by_default = not self._sets_a_default_device()
        self.found: dict[tuple[int, int, str], Finding] = {}
        self.functions: set[str] = set()

    def findings(self) -> list[Finding]:
        self._module()
        for line, code in self.suppressions.unknown:
            self._keep(Finding(self.file, line, 1, code, "", self._line(line)))
        return sorted(one for one in self.found.values() if one.code not in self.settings.ignore)

    def _module(self) -> None:
        around = _Around()
        run(self._scope(around), self.tree.body, lambda node, scope: self._definition(node, around, scope))

    def _definition(self, node: Definition | ast.ClassDef, around: _Around, scope: Scope) -> None:
        if isinstance(node, ast.ClassDef):
            self._class(node, around)
        else:
            self._function(node, _Around(around.name, around.hot, scope.state.copy() if around.name else None, around.attributes))

    def _class(self, node: ast.ClassDef, around: _Around) -> None:
        name = f"{around.name}.{node.name}" if around.name else node.name
        inside = _Around(name, around.hot, None, cache(lambda: self._attributes(node, name)))
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._definition(statement, inside, self._scope(_Around(name)))

    def _attributes(self, node: ast.ClassDef, name: str) -> dict[str, Value]:
        """Return what all methods that assign to an attribute of ``self`` leave there; the second round knows the first one's."""
        found: dict[str, Value] = {}
        for _ in range(2):
            before, found = found, {}
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    scope = self._scope(_Around(name, attributes=before.copy), silent=True)
                    parameters(scope, method)
                    run(scope, method.body, lambda inner, scope: None)
                    for path, value in scope.state.values.items():
                        if path.startswith("self."):
                            found[path] = joined(found[path], value) if path in found else value
        return {path: value for path, value in found.items() if value != UNKNOWN}

    def _function(self, node: Definition, around: _Around) -> None:
        name = f"{around.name}.{node.name}" if around.name else node.name
        self.functions.add(name)
        hot = around.hot or is_hot(node, self.lines, f"{self.module}:{name}", self.settings)
        if not hot and not self._may_copy(node):
            return
        inside = _Around(name, hot, around.state, around.attributes)
        scope = self._scope(inside)
        parameters(scope, node)
        run(scope, node.body, lambda inner, scope: self._definition(inner, inside, scope))

    def _may_copy(self, node: Definition) -> bool:
        """Return whether a function that is not hot can have a finding: this is what most functions are skipped by."""
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        return any("non_blocking" in line for line in lines) or any(
            isinstance(inner, Definition | ast.ClassDef) for inner in ast.walk(node) if inner is not node
        )

    def _scope(self, around: _Around, *, silent: bool = False) -> Scope:
        def report(code: str, node: ast.AST) -> None:
            line, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", None)
            if not silent and not self.suppressions.covers(code, line, end or line):
                column = getattr(node, "col_offset", 0) + 1
                self._keep(Finding(self.file, line, column, code, around.name, self._line(line)))

        state = State(dict(around.state.values)) if around.state else State()
        return Scope(report, around.hot, self.names, around.attributes(), self.host_by_default, state)

    def _keep(self, finding: Finding) -> None:
        self.found.setdefault((finding.line, finding.column, finding.code), finding)

    def _line(self, number: int) -> str:
        return self.lines[number - 1].strip() if number <= len(self.lines) else ""

    def _sets_a_default_device(self) -> bool:
        """Return whether tensors made without ``device=`` may be elsewhere than on the host."""
        return any(_name(call, self.names) in _DEFAULT_DEVICE for call in _default_devices(self.tree))


def _default_devices(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            yield from (item.context_expr for item in node.items)
        elif isinstance(node, ast.Expr):
            yield node.value


def _name(node: ast.expr, names: Mapping[str, str]) -> str:
    if not isinstance(node, ast.Call):
        return ""
    first, dot, rest = path_of(node.func).partition(".")
    return f"{names.get(first, first)}{dot}{rest}"
