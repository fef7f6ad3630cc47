"""The imports between the parts of the package, read from its sources without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"syncfree": "registry", "syncfree.plugins": "plugins", "syncfree.adapters": "adapters"}
CORE = "core"
"""The modules of registry/ that are in none of its packages."""


@cache
def parts() -> set[str]:
    """Return the parts of the package."""
    return {_part(module) for module, _ in _modules()}


@cache
def edges() -> set[tuple[str, str]]:
    """Return ``(part, part that it imports)``; imports inside functions count, too."""
    found = set()
    for module, file in _modules():
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        for imported in _imported(ast.parse(file.read_text("utf-8")), package):
            found.add((_part(module), _part(imported)))
    return {(source, target) for source, target in found if source != target}


def _modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            names = file.relative_to(ROOT / folder).with_suffix("").parts
            if "_site" not in names:  # it runs before the package, and imports it only to load it
                yield ".".join([package, *(name for name in names if name != "__init__")]), file


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the modules of ours that a module imports, one for each statement and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "syncfree")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == "syncfree":
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _part(module: str) -> str:
    names = module.split(".")
    if len(names) == 1 or not (names[1] in ("plugins", "adapters") or (ROOT / "registry" / names[1]).is_dir()):
        return CORE
    return names[1]
