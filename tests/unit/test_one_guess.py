"""Whoever knows a hook's name finds its code and its tests at the first guess."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from syncfree._own_entry_points import ADAPTERS
from syncfree.adapting import Adapter, Binding
from syncfree.hooks import HOOKS

TESTS = Path(__file__).parents[1] / "contract"


@pytest.mark.parametrize("hook", HOOKS)
def test_contract_tests_of_a_hook_bear_its_name(hook: str) -> None:
    assert list(TESTS.glob(f"test_{hook}*.py"))


def test_what_contract_tests_share_lies_in_a_folder_of_its_own() -> None:
    beside = {file.name for file in TESTS.glob("*.py")} - {"__init__.py", "conftest.py"}
    assert [name for name in sorted(beside) if not name.startswith("test_")] == []


@pytest.mark.parametrize("framework", ADAPTERS)
def test_a_binding_is_made_in_the_adapter_file_or_folder_of_its_hook(framework: str) -> None:
    adapter = adapter_of(framework)
    made_in = {binding.label: makers(adapter, binding) for binding in adapter.bindings}
    places = {binding.label: f"{adapter.home}.{binding.hook}" for binding in adapter.bindings}
    assert {label: found for label, found in made_in.items() if not any(lies_in(name, places[label]) for name in found)} == {}


@pytest.mark.parametrize("framework", ADAPTERS)
def test_what_replaces_a_target_lies_with_its_hook_or_serves_every_framework(framework: str) -> None:
    adapter = adapter_of(framework)
    for binding in adapter.bindings:
        for module in {compose.__module__ for form in binding.forms for compose in form.compose or ()}:
            shared = lies_in(module, "syncfree.adapters") and not lies_in(module, adapter.home)
            assert shared or lies_in(module, f"{adapter.home}.{binding.hook}"), (binding.label, module)


def adapter_of(framework: str) -> Adapter:
    module, _, name = ADAPTERS[framework].partition(":")
    adapter = getattr(import_module(module), name)
    assert isinstance(adapter, Adapter)
    return adapter


def makers(adapter: Adapter, binding: Binding) -> list[str]:
    """The modules below an adapter's package that hold a binding, by itself or among others."""
    return [
        name
        for name, module in sys.modules.items()
        if lies_in(name, adapter.home) and name != adapter.home and holds(vars(module).values(), binding)
    ]


def holds(values: Iterable[object], binding: Binding) -> bool:
    return any(value is binding or (type(value) is tuple and binding in value) for value in values)


def lies_in(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")
