"""The dependencies between the modules of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"registry": "syncfree", "plugins": "syncfree.plugins", "adapters": "syncfree.adapters"}
AT_THE_BOTTOM = {"syncfree._target"}


def modules() -> dict[str, Path]:
    """Every module of the package under its installed name."""
    found = {}
    for folder, package in FOLDERS.items():
        for file in (ROOT / folder).rglob("*.py"):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = file
    return found


def imports_of(name: str, file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports, inside of functions too, and not those that only a type checker imports."""
    tree = ast.parse(file.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = f"{source}.{alias.name}"
                yield inside if inside in known else source


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: {other for other in imports_of(name, file, known) if other in known} - {name} for name, file in known.items()}


def test_no_module_imports_itself_through_others() -> None:
    """Lazy imports count: a circle that is only closed inside of a function is a circle."""
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_what_adapters_are_made_of_imports_nothing_of_the_runtime() -> None:
    assert graph()["syncfree.adapting"] <= AT_THE_BOTTOM
    assert all(graph()[name] == set() for name in AT_THE_BOTTOM)


def test_the_command_line_and_the_registry_import_no_adapter() -> None:
    """Adapters and plugins are found through entry points, ours as those of others."""
    adapters = {f"{module} imports {other}" for module, others in graph().items() for other in others
                if ".adapters." in f"{other}." and ".adapters." not in f"{module}."}
    assert adapters == set()


def test_pre_commit_runs_the_ruff_of_the_other_checks() -> None:
    locked = next(line for line in (ROOT / "tests/environments/locks/dev.txt").read_text().splitlines() if line.startswith("ruff=="))
    assert f"rev: v{locked.partition('==')[2].split()[0]}" in (ROOT / ".pre-commit-config.yaml").read_text()
