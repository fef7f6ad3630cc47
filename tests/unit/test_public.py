"""The names that ``import syncfree`` offers, and its cost."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import syncfree

FRAMEWORKS = ("torch", "numpy", "vllm", "sglang", "diffusers", "transformers", "typer", "rich", "hypothesis", "pytest")
FIRST_IMPORT = """
import json, sys, time
before = set(sys.modules)
start = time.perf_counter()
import syncfree
seconds = time.perf_counter() - start
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""
FIRST_USE = "import json, sys, syncfree; syncfree.plan(); syncfree.counters(); print(json.dumps(sorted(sys.modules)))"


def fresh(program: str) -> list[object]:
    """Return what a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    found: list[object] = json.loads(done.stdout)
    return found


def imported_for_types() -> dict[str, str]:
    """The names that the package imports for type checkers, and the module of each."""
    body = ast.parse(Path(syncfree.__file__).read_text()).body
    (block,) = (node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_all_is_the_public_surface() -> None:
    assert len(syncfree.__all__) == len(set(syncfree.__all__))
    assert set(syncfree.__all__) == {*syncfree._HOME, "__version__"}
    assert set(syncfree.__all__) <= set(dir(syncfree))


def test_type_checkers_see_what_python_sees() -> None:
    assert imported_for_types() == syncfree._HOME


@pytest.mark.parametrize("name", syncfree.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(syncfree, name)
    if name != "__version__":
        assert value is getattr(importlib.import_module(f"syncfree.{syncfree._HOME[name]}"), name)
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'syncfree' has no attribute 'lod'"):
        syncfree.lod  # noqa: B018


def test_importing_it_takes_less_than_50_ms_and_imports_no_framework() -> None:
    runs = [fresh(FIRST_IMPORT) for _ in range(7)]
    assert min(float(str(seconds)) for seconds, _ in runs) < 0.050
    assert not set(FRAMEWORKS) & set(map(str, runs[0][1]))  # type: ignore[call-overload]


def test_asking_for_the_plan_imports_neither_torch_nor_a_framework() -> None:
    assert not set(FRAMEWORKS) & set(map(str, fresh(FIRST_USE)))


@pytest.mark.parametrize("folder", ["registry", "plugins", "adapters"])
def test_the_folders_of_the_source_tree_are_no_packages_of_their_own(folder: str) -> None:
    """Imported by a second name, the registry would be there twice."""
    assert not [name for name in sys.modules if name == folder or name.startswith(f"{folder}.")]


@pytest.mark.editable
def test_the_subpackages_are_those_of_the_source_tree() -> None:
    root = Path(__file__).parents[2]
    for name, folder in {"syncfree": "registry", "syncfree.plugins": "plugins", "syncfree.adapters": "adapters"}.items():
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin == str(root / folder / "__init__.py")
