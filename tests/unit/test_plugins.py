"""Plugins by themselves: what is taken in, and what is said about one that is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from syncfree import PluginError, hookimpl, implementations
from syncfree import _plugins as plugins_module
from syncfree._plugins import RESERVED, Plugins
from syncfree.hooks import HOOKS


class Good:
    """An exact plugin of one hook."""

    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local


class Misspelt:
    @staticmethod
    @hookimpl
    def dp_al_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local


class Reordered:
    @staticmethod
    @hookimpl
    def dp_all_reduce(rank: Any, local: Any, size: Any, group: Any, device: Any) -> Any:
        return local


class KeywordOnly:
    @staticmethod
    @hookimpl
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, *, device: Any) -> Any:
        return local


class Extra:
    @staticmethod
    @hookimpl
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any, more: Any) -> Any:
        return local


def lazy(path: str, **declared: Any) -> object:
    """A plugin that names its implementation."""

    @hookimpl(implementation=path, **declared)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        raise NotImplementedError

    return SimpleNamespace(dp_all_reduce=dp_all_reduce)


class Installed:
    """An installed entry point."""

    def __init__(self, name: str, distribution: str, load: Callable[[], object]) -> None:
        self.name, self.distribution, self.load = name, distribution, load


def install(monkeypatch: pytest.MonkeyPatch, *points: Installed) -> None:
    monkeypatch.setattr(plugins_module, "find", lambda group: SimpleNamespace(points=points, damaged=[]))


def fails() -> object:
    raise PluginError("OSError: libacme.so is missing")


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(HOOKS)


def test_a_good_plugin_is_taken_in_under_its_name(plugins: Plugins) -> None:
    plugins.register(Good(), "good", "good-dist 1.0")
    (found,) = plugins.candidates("dp_all_reduce")
    assert (found.plugin, found.distribution, found.declaration.exact) == ("good", "good-dist 1.0", True)
    assert found.function()([3], 0, 1, None, "cpu") == [3]
    assert found.lockstep


@pytest.mark.parametrize("name", [*sorted(RESERVED), "two words", "1st", "", 7, None])
def test_a_name_that_could_not_be_chosen_is_refused(plugins: Plugins, name: Any) -> None:
    with pytest.raises(PluginError, match="cannot be a plugin's name"):
        plugins.register(Good(), name)


def test_a_taken_name_is_refused_and_its_owner_named(plugins: Plugins) -> None:
    plugins.register(Good(), "acme", "first 1.0")
    with pytest.raises(PluginError, match=r"plugin 'acme' of second 2.0: the name is taken by first 1.0"):
        plugins.register(Good(), "acme", "second 2.0")
    assert [found.distribution for found in plugins.candidates("dp_all_reduce")] == ["first 1.0"]


def test_an_unknown_hook_is_refused_with_the_nearest(plugins: Plugins) -> None:
    with pytest.raises(
        PluginError, match=r"plugin 'acme' of acme 1.0: unknown hook 'dp_al_reduce'; did you mean 'dp_all_reduce'"
    ):
        plugins.register(Misspelt(), "acme", "acme 1.0")


@pytest.mark.parametrize("wrong", [Reordered, KeywordOnly])
def test_a_wrong_signature_is_refused_and_the_contract_quoted(plugins: Plugins, wrong: type) -> None:
    with pytest.raises(PluginError) as caught:
        plugins.register(wrong(), "acme", "acme 1.0")
    assert "plugin 'acme' of acme 1.0" in str(caught.value)
    assert "contract dp_all_reduce(local, rank, size, group, device)" in str(caught.value)


def test_a_parameter_too_many_is_refused(plugins: Plugins) -> None:
    with pytest.raises(PluginError, match=r"(?s)plugin 'acme': .*Argument\(s\) {'more'}"):
        plugins.register(Extra(), "acme")


def test_a_plugin_without_hooks_is_refused_and_told_what_to_do(plugins: Plugins) -> None:
    with pytest.raises(PluginError, match=r"implements no hook: mark its functions with @syncfree.hookimpl"):
        plugins.register(SimpleNamespace(), "acme")


@pytest.mark.parametrize("wrong", [Misspelt, Reordered, Extra, SimpleNamespace])
def test_a_name_is_free_again_after_a_failed_registration(plugins: Plugins, wrong: type) -> None:
    with pytest.raises(PluginError):
        plugins.register(wrong(), "acme")
    assert list(plugins.candidates("dp_all_reduce")) == []
    plugins.register(Good(), "acme")
    assert [found.plugin for found in plugins.candidates("dp_all_reduce")] == ["acme"]


def test_a_named_implementation_is_imported_only_when_it_is_used(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def reduce(local, rank, size, group, device):\n    return ['lazy', local]\n"
    (tmp_path / "made_up_lazy.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.register(lazy("made_up_lazy:reduce"), "acme")
    (found,) = plugins.candidates("dp_all_reduce")
    assert "made_up_lazy" not in sys.modules
    assert found.function()([1], 0, 1, None, "cpu") == ["lazy", [1]]


@pytest.mark.parametrize("path", ["made_up_absent:reduce", "json:reduce"])
def test_a_named_implementation_that_cannot_be_imported_is_named_with_its_plugin(plugins: Plugins, path: str) -> None:
    plugins.register(lazy(path), "acme", "acme 1.0")
    (found,) = plugins.candidates("dp_all_reduce")
    with pytest.raises(
        PluginError, match=f"plugin 'acme' of acme 1.0 names '{path}' for dp_all_reduce, which cannot be imported"
    ):
        found.function()


def test_a_named_implementation_with_a_wrong_signature_is_refused(plugins: Plugins) -> None:
    plugins.register(lazy("json:loads"), "acme")
    (found,) = plugins.candidates("dp_all_reduce")
    with pytest.raises(PluginError, match="is not the contract"):
        found.function()


@pytest.mark.with_torch
def test_needs_that_are_not_met_are_told(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "16")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    plugins.register(lazy("json:loads", needs=("one_node", "torch")), "acme")
    (found,) = plugins.candidates("dp_all_reduce")
    assert found.missing() == ("one_node",)
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert found.missing() == ()


def test_an_unknown_need_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"unknown needs \['gpu'\]; known: torch, cuda"):
        hookimpl(needs=("gpu",))


def test_a_broken_plugin_is_named_with_its_distribution_and_the_others_load(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        monkeypatch,
        Installed("broken", "broken-dist 0.1", fails),
        Installed("good", "good-dist 1.0", Good),
        Installed("misspelt", "misspelt-dist 0.2", Misspelt),
    )
    plugins.discover()
    assert [found.plugin for found in plugins.candidates("dp_all_reduce")] == ["good"]
    reasons = {(broken.name, broken.distribution): broken.reason for broken in plugins.broken}
    assert reasons["broken", "broken-dist 0.1"] == "OSError: libacme.so is missing"
    assert "did you mean 'dp_all_reduce'" in reasons["misspelt", "misspelt-dist 0.2"]


@pytest.mark.parametrize("plugin", [Misspelt, Reordered, object])
def test_what_was_left_out_is_named_once(plugin: type, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Installed("acme", "acme-dist 0.1", plugin))
    plugins.discover()
    (broken,) = plugins.broken
    assert str(broken).startswith("plugin 'acme' of acme-dist 0.1: ")
    assert str(broken).count("'acme'") == 1
    assert broken.reason[0] not in ": "


def test_of_two_installed_plugins_of_one_name_the_second_is_left_out(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Installed("acme", "first 1.0", Good), Installed("acme", "second 2.0", Good))
    plugins.discover()
    assert [(b.distribution, b.reason) for b in plugins.broken] == [("second 2.0", "the name is taken by first 1.0")]


@pytest.mark.parametrize("rule", [{"denied": frozenset({"acme"})}, {"allowed": ("other",)}])
def test_a_plugin_that_is_not_permitted_is_not_even_loaded(monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]) -> None:
    install(monkeypatch, Installed("acme", "acme 1.0", fails))
    plugins = Plugins(HOOKS, **rule)
    plugins.discover()
    assert plugins.broken == []
    assert plugins.distributions == {}


def test_candidates_come_as_the_user_lists_them_then_by_preference_then_ours_then_by_name() -> None:
    preferences = {"b": 0, "sync_free": 0, "a": 0, "costly": -1, "cheap": 2, "cheaper": 3}
    in_order = ["cheaper", "cheap", "sync_free", "a", "b", "costly"]
    for allowed in ((), ("costly", "b")):
        plugins = Plugins(HOOKS, allowed)
        for name, preference in preferences.items():
            if not allowed or name in allowed:
                plugins.register(implementations(name, hooks=("dp_all_reduce",), preference=preference), name)
        expected = list(allowed) or in_order
        assert [found.plugin for found in plugins.candidates("dp_all_reduce")] == expected


def test_implementations_without_a_preference_come_as_the_user_lists_them_then_ours_then_by_name() -> None:
    for allowed, expected in (((), ["sync_free", "a", "b"]), (("b", "a", "sync_free"), ["b", "a", "sync_free"])):
        plugins = Plugins(HOOKS, allowed)
        for name in ("b", "sync_free", "a"):
            plugins.register(Good(), name)
        assert [found.plugin for found in plugins.candidates("dp_all_reduce")] == expected


def test_a_module_is_a_plugin_too(plugins: Plugins) -> None:
    module = ModuleType("acme_module")
    vars(module)["dp_all_reduce"] = Good.dp_all_reduce
    plugins.register(module, "acme")
    assert [found.plugin for found in plugins.candidates("dp_all_reduce")] == ["acme"]
