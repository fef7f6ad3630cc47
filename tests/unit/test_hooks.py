"""Every hook of the catalogue is complete: contract, reference, inputs, tolerance with its reason, implementations."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis.strategies import SearchStrategy

import syncfree.hooks
from syncfree import Hook
from syncfree._hook import Tolerance
from syncfree._plugins import Implementation, Plugins
from syncfree.hooks import HOOKS

ROOT = Path(__file__).parents[2]
SECTIONS = ["Args", "Returns", "Raises", "Mutates", "Source"]
SHAPE = re.compile(r"\[[^\]]*\]")
UPSTREAM = re.compile(r"\b(vLLM|SGLang|diffusers) ``[\w/*]+\.py``")


def shipped() -> list[Implementation]:
    """Every implementation of our own distribution."""
    plugins = Plugins(HOOKS)
    plugins.discover()
    assert plugins.broken == []
    found = [one for by_plugin in plugins.implementations.values() for one in by_plugin.values()]
    return [one for one in found if (one.distribution or "").startswith("syncfree ")]


SHIPPED = shipped()
every_hook = pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
every_implementation = pytest.mark.parametrize("found", SHIPPED, ids=lambda one: f"{one.plugin}-{one.hook.name}")


def test_the_catalogue_holds_every_module_of_the_folder() -> None:
    folder = Path(syncfree.hooks.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(HOOKS)


def test_the_five_hooks_that_the_project_is_named_for_are_there() -> None:
    assert set(HOOKS) >= {
        "scheduler_step",
        "sequence_parallel_all_to_all",
        "sampler_logprob_gather",
        "dp_all_reduce",
        "progress_reporting",
    }


@every_hook
def test_a_hook_has_one_word_in_the_code_and_in_the_environment(hook: Hook) -> None:
    module = importlib.import_module(f"syncfree.hooks.{hook.name}")
    assert module.HOOK is hook
    assert hook.spec.__name__ == hook.name
    assert hook.variable == f"SYNCFREE_{hook.name.upper()}"
    assert HOOKS[hook.name] is hook


def sections(hook: Hook) -> dict[str, str]:
    """The sections of a contract's docstring, in order."""
    _, *parts = re.split(r"^(\w+):\n", inspect.getdoc(hook.spec) or "", flags=re.MULTILINE)
    return dict(zip(parts[::2], map(textwrap.dedent, parts[1::2]), strict=True))


@every_hook
def test_a_contract_has_every_section_in_order(hook: Hook) -> None:
    assert list(sections(hook)) == SECTIONS
    assert all(text.strip() for text in sections(hook).values())


@every_hook
def test_a_contract_begins_with_what_an_implementation_does(hook: Hook) -> None:
    first = (inspect.getdoc(hook.spec) or "").splitlines()[0]
    assert re.match(r"[A-Z][a-z]*[a-rt-z] .*\.$", first), "a verb in the imperative, and a whole sentence"


@every_hook
def test_a_contract_says_what_each_argument_is(hook: Hook) -> None:
    described = re.findall(r"^(\w+): (.*(?:\n .*)*)", sections(hook)["Args"], re.MULTILINE)
    assert tuple(name for name, _ in described) == hook.parameters
    annotations = {p.name: str(p.annotation) for p in inspect.signature(hook.spec).parameters.values()}
    for name, text in described:
        if re.match(r"(?!Callable).*(Tensor|ndarray)", annotations[name]):
            assert SHAPE.search(text), f"the contract does not say of what shape {name!r} is"
            assert re.search(r"\bdtype|int32|int64|integer|float", text), f"it does not say of what dtype {name!r} is"


@every_hook
def test_a_contract_says_what_a_call_changes(hook: Hook) -> None:
    changed = sections(hook)["Mutates"]
    assert all(f"``{name}``" in changed for name in hook.writes)
    assert (changed.strip() == "Nothing.") == hook.pure


@every_hook
def test_a_contract_names_the_upstream_file_that_it_is_about(hook: Hook) -> None:
    source = sections(hook)["Source"]
    assert UPSTREAM.search(source)
    assert re.search(r"#\d{4,}|\d\.\d+|every release", source), "and the pull request or the releases"


@every_hook
def test_a_contract_is_typed(hook: Hook) -> None:
    signature = inspect.signature(hook.spec)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


@every_hook
def test_a_contract_is_its_own_reference(hook: Hook) -> None:
    """So that its signature is written once."""
    assert hook.reference is hook.spec


@pytest.mark.with_torch
@every_hook
def test_inputs_are_calls_of_the_contract(hook: Hook) -> None:
    found = hook.inputs()
    assert isinstance(found, SearchStrategy)
    assert hook.inputs.__doc__


@every_hook
def test_a_tolerance_has_its_reason(hook: Hook) -> None:
    assert isinstance(hook.tolerance, Tolerance)
    assert hook.tolerance.rtol >= 0
    assert hook.tolerance.atol >= 0
    assert len(hook.tolerance.reason.split()) >= 4, "a reason is a sentence"


@every_hook
def test_a_summary_is_one_line(hook: Hook) -> None:
    assert "\n" not in hook.summary
    assert 4 <= len(hook.summary.split()) <= 25


@every_hook
def test_what_a_call_changes_are_parameters_of_a_hook_that_is_not_pure(hook: Hook) -> None:
    assert set(hook.writes) | set(hook.on_host) <= set(hook.parameters)
    assert not (hook.pure and hook.writes)


@every_hook
def test_a_hook_has_an_implementation_of_ours(hook: Hook) -> None:
    assert {one.plugin for one in SHIPPED if one.hook is hook} & {"sync_free", "coefficient_table"}


@pytest.mark.with_torch
@every_implementation
def test_an_implementation_can_be_imported_and_has_the_contracts_signature(found: Implementation) -> None:
    function = found.function()
    assert tuple(inspect.signature(function).parameters) == found.hook.parameters
    assert function.__name__ == found.hook.name
    assert function.__doc__


@every_implementation
def test_an_implementation_declares_its_syncs(found: Implementation) -> None:
    assert found.declaration.host_syncs is not None


@pytest.mark.with_torch
def test_importing_the_implementations_leaves_the_plugins_as_they_were() -> None:
    """A module that is imported is bound in its package, over a declaration of the same name."""
    for found in SHIPPED:
        found.function()
    assert shipped() == SHIPPED


def test_every_plugin_folder_is_installed() -> None:
    folders = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    assert {one.plugin for one in SHIPPED} == folders
