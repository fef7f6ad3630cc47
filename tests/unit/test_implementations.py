"""Plugins that are declared as a table."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import syncfree
from syncfree import PluginError, implementations
from syncfree._hook import Declaration
from syncfree._plugins import Plugins
from syncfree._runtime import Runtime
from syncfree.hooks import HOOKS


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(HOOKS)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the package ``made_up_kernels``, which can be imported."""
    folder = tmp_path / "made_up_kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("made_up_kernels")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_declared_has_the_signature_and_the_documentation_of_the_contract(hook: str) -> None:
    declared = getattr(implementations("acme", hooks=[hook]), hook)
    assert inspect.signature(declared) == inspect.signature(HOOKS[hook].spec)
    assert declared.__doc__ == HOOKS[hook].spec.__doc__
    assert not hasattr(declared, "syncfree_spec")
    with pytest.raises(NotImplementedError, match=rf"acme\.{hook}:{hook} is imported when it is chosen"):
        declared()


def test_the_module_is_imported_when_the_implementation_is_asked_for(plugins: Plugins, package: Path) -> None:
    (package / "postprocess.py").write_text("def postprocess(decoded):\n    return ['lazy', decoded]\n")
    plugins.register(implementations("made_up_kernels", exact=True, hooks=("postprocess",)), "acme")
    (found,) = plugins.candidates("postprocess")
    assert not any(name.startswith("made_up_kernels") for name in sys.modules)
    assert found.function()(7) == ["lazy", 7]


def test_an_implementation_without_the_contracts_signature_is_refused_when_it_is_imported(
    plugins: Plugins, package: Path
) -> None:
    (package / "postprocess.py").write_text("def postprocess(decoded, scale):\n    return decoded\n")
    plugins.register(implementations("made_up_kernels", hooks=("postprocess",)), "acme", "acme 1.0")
    (found,) = plugins.candidates("postprocess")
    with pytest.raises(PluginError, match=r"'acme' of acme 1.0: postprocess\(decoded, scale\) is not the contract"):
        found.function()


def test_a_table_declares_what_a_marker_declares() -> None:
    table = implementations(
        "acme", exact=True, host_syncs=2, lockstep=True, needs=("torch", "cuda"), hooks=("postprocess", "qk_norm")
    )
    for hook in ("postprocess", "qk_norm"):
        expected = Declaration(True, 2, True, ("torch", "cuda"), f"acme.{hook}:{hook}")
        assert getattr(table, hook).syncfree_declaration == expected


def test_hooks_that_are_declared_differently_are_joined(plugins: Plugins) -> None:
    joined = implementations("acme", exact=True, hooks=("postprocess",)) | implementations(
        "acme.slow", needs=("triton",), hooks=("qk_norm",)
    )
    plugins.register(joined, "acme")
    found = {hook: plugins.implementations[hook]["acme"].declaration for hook in ("postprocess", "qk_norm")}
    assert found["postprocess"] == Declaration(exact=True, implementation="acme.postprocess:postprocess")
    assert found["qk_norm"] == Declaration(needs=("triton",), implementation="acme.slow.qk_norm:qk_norm")
    assert repr(joined) == "<implementations of postprocess, qk_norm>"


def test_a_hook_that_both_parts_declare_is_an_error() -> None:
    one = implementations("acme", hooks=("postprocess", "qk_norm"))
    with pytest.raises(ValueError, match="declared twice: qk_norm"):
        one | implementations("acme", hooks=("qk_norm", "vae_decode"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hooks": "postprocess"}, r"hooks is 'postprocess', not a tuple of names such as \('postprocess',\)"),
        ({"hooks": (7,)}, r"hooks is \(7,\), not a tuple of names"),
        ({"hooks": ("postprocess", "postprocess")}, "declared twice: postprocess"),
        ({"needs": ("gpu",)}, r"unknown needs \['gpu'\]; known: torch, cuda"),
        ({"preference": "high"}, "preference is 'high', not a number such as 10"),
        ({"preference": True}, "preference is True, not a number"),
        ({"exact": "yes"}, "exact is 'yes', neither True nor False"),
        ({"package": "two words"}, "implementation is 'two words.postprocess:postprocess', not 'package.module:function'"),
    ],
)
def test_what_is_declared_wrongly_is_an_error_where_it_is_written(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        implementations(**{"package": "acme", "hooks": ("postprocess",), **wrong})


def test_an_unknown_hook_is_refused_with_the_nearest(plugins: Plugins) -> None:
    with pytest.raises(PluginError, match=r"unknown hook 'postproces'; did you mean 'postprocess'"):
        plugins.register(implementations("acme", hooks=("postproces",)), "acme")


def test_a_module_that_holds_a_table_is_told_to_name_the_table(plugins: Plugins) -> None:
    module = ModuleType("acme_plugin")
    vars(module)["PLUGIN"] = implementations("acme", hooks=("postprocess",))
    with pytest.raises(PluginError, match="implements no hook: its PLUGIN is a plugin by itself: name 'module:PLUGIN'"):
        plugins.register(module, "acme")


def test_a_table_is_registered_under_the_name_of_its_package(runtime: Runtime) -> None:
    syncfree.register(implementations("made_up.acme_kernels", hooks=("postprocess",)))
    assert "acme_kernels" in runtime.plugins().implementations["postprocess"]
