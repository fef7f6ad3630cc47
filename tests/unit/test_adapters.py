"""Adapters of others: what is refused when they are added, with whose and why, and that the others stay."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import syncfree
from syncfree import PluginError, SelectionError
from syncfree._adapter_checks import check_adapter
from syncfree._adapters import Adapters
from syncfree._plugins import Plugins
from syncfree.adapting import Adapter, Attachment, Binding, Form
from syncfree.hooks import HOOKS

from .made_up import REDUCE, MadeUp, reduce_binding
from .neighbours import Neighbours
from .spawned import CALL, First

SHIPPED = {"diffusers", "sglang", "sglang-srt", "vllm", "vllm-omni"}


def compose(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    return mine


FORM = Form(">=1.2,<1.5", "stalls", "it stalls", (compose,))
BINDING = Binding("postprocess", ("acme.work:reduce",), (FORM,))
ATTACHMENT = Attachment("acme.work:start", lambda original: original, "the comparison")
ADAPTER = Adapter("acme", "acme", ("acme",), (BINDING,), home="syncfree", attachments=(ATTACHMENT,))


class Unshowable:
    def __repr__(self) -> str:
        raise SystemExit(3)


def test_an_adapter_that_holds_together_is_taken_in() -> None:
    adapters = Adapters().discover()
    adapters.add(ADAPTER, "acme-syncfree 1.0")
    assert adapters.get("acme") is ADAPTER
    assert adapters.broken == []


@pytest.mark.parametrize("framework", ["acme", "vllm-omni", "acme_2", "A"])
def test_a_name_of_a_distribution_is_a_name_of_a_framework(framework: str) -> None:
    check_adapter(replace(ADAPTER, framework=framework), "acme 1.0")


@pytest.mark.parametrize("framework", sorted(SHIPPED))
def test_ours_hold_together(framework: str) -> None:
    """They are not checked in every process, because this is."""
    check_adapter(Adapters().discover().get(framework), "syncfree")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "framework none": ({"framework": None}, "framework is None, not a name such as 'acme'"),
    "framework empty": ({"framework": ""}, "framework is '', not a name"),
    "framework words": ({"framework": "two words"}, "framework is 'two words', not a name"),
    "framework lines": ({"framework": "a\nb"}, r"framework is 'a\nb', not a name"),
    "framework dotted": ({"framework": "sglang.multimodal_gen"}, "framework is 'sglang.multimodal_gen', not a name"),
    "framework unshowable": ({"framework": Unshowable()}, "framework is an object of Unshowable, not a name"),
    "package none": ({"package": None}, "package is None, not the name of a top-level package"),
    "package empty": ({"package": ""}, "package is '', not the name of a top-level package"),
    "package dotted": ({"package": "acme.runtime"}, "package is 'acme.runtime', not the name of a top-level package"),
    "package relative": ({"package": ".acme"}, "package is '.acme', not the name of a top-level package"),
    "package distribution": ({"package": "acme-cpu"}, "package is 'acme-cpu', not the name of a top-level package"),
    "package keyword": ({"package": "import"}, "package is 'import', not the name of a top-level package"),
    "distributions text": ({"distributions": "acme"}, "distributions is 'acme', not a tuple of names of distributions"),
    "distributions none": ({"distributions": None}, "distributions is None, not a tuple"),
    "distributions empty": ({"distributions": ()}, "distributions is empty"),
    "distributions odd": ({"distributions": ("acme", 7)}, "distributions has 7, not names of distributions"),
    "distributions path": ({"distributions": ("../acme",)}, "distributions has '../acme', not names of distributions"),
    "home none": ({"home": None}, "home is None, not the name of the package that holds releases.json"),
    "home empty": ({"home": ""}, "home is '', not the name"),
    "home relative": ({"home": ".acme"}, "home is '.acme', not the name"),
    "home missing": ({"home": "made_up_absent"}, "home: made_up_absent is not a package"),
    "home missing in a package": (
        {"home": "made_up_absent.adapter"},
        "home: made_up_absent.adapter is not a package that can",
    ),
    "home module": ({"home": "json.decoder"}, "home: json.decoder is not a package"),
    "logger": ({"logger": None}, "logger is None, not the name of a logger"),
    "release": ({"loads_plugins_since": "soon"}, "loads_plugins_since is 'soon', not a release or None"),
    "reviewed": ({"reviewed": "all"}, "reviewed is 'all', not a release or None"),
    "release number": ({"loads_plugins_since": 1.2}, "loads_plugins_since is 1.2, not a release or None"),
    "bindings none": ({"bindings": None}, "bindings is None, not a tuple of Binding"),
    "bindings list": ({"bindings": [BINDING]}, "bindings is [Binding(hook='postprocess'"),
    "bindings one": ({"bindings": BINDING}, "not a tuple of Binding"),
    "bindings odd": ({"bindings": (BINDING, "postprocess")}, "bindings has 'postprocess', not Binding"),
    "attachments list": ({"attachments": [ATTACHMENT]}, "not a tuple of Attachment"),
    "attachments odd": ({"attachments": (None,)}, "attachments has None, not Attachment"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_adapter_that_says_something_wrong_is_refused_with_whose_and_why(case: str) -> None:
    changed, reason = WRONG[case]
    refused(replace(ADAPTER, **changed), reason)


def refused(adapter: object, reason: str) -> None:
    """Whose and why, in one printable line, and nothing of it is kept."""
    adapters = Adapters().discover()
    with pytest.raises(PluginError) as caught:
        adapters.add(adapter, "acme-syncfree 1.0")
    assert reason in str(caught.value)
    assert "acme-syncfree 1.0" in str(caught.value)
    assert str(caught.value).isprintable()
    assert {found.framework for found in adapters} == SHIPPED


WRONG_BINDING: dict[str, tuple[dict[str, Any], str]] = {
    "hook": ({"hook": "postproces"}, "unknown hook 'postproces'; did you mean 'postprocess'?"),
    "hook none": ({"hook": None}, "unknown hook None"),
    "hook list": ({"hook": []}, "unknown hook []"),
    "targets text": (
        {"targets": "acme.work:reduce"},
        "targets is 'acme.work:reduce', not a tuple of 'acme.module:Class.function'",
    ),
    "targets none": ({"targets": None}, "targets is None, not a tuple"),
    "targets empty": ({"targets": (), "forms": (replace(FORM, compose=()),)}, "targets is empty"),
    "targets outside": ({"targets": ("torch.work:f",)}, "targets has 'torch.work:f', not 'acme.module:Class.function'"),
    "targets alike": ({"targets": ("acme_other.work:f",)}, "targets has 'acme_other.work:f', not 'acme.module"),
    "targets without function": ({"targets": ("acme.work",)}, "targets has 'acme.work', not 'acme.module:Class.function'"),
    "targets empty function": ({"targets": ("acme.work:",)}, "targets has 'acme.work:', not"),
    "targets two colons": ({"targets": ("acme.work:f:g",)}, "targets has 'acme.work:f:g', not"),
    "targets locals": ({"targets": ("acme.work:f.<locals>.g",)}, "targets has 'acme.work:f.<locals>.g', not"),
    "targets relative": ({"targets": (".work:f",)}, "targets has '.work:f', not"),
    "targets twice": (
        {"targets": ("acme.work:f", "acme.work:f"), "forms": (replace(FORM, compose=(compose, compose)),)},
        "it names acme.work:f twice",
    ),
    "depends": ({"depends": ("torch.work:f",)}, "depends has 'torch.work:f', not 'acme.module:Class.function'"),
    "depends text": ({"depends": "acme.work:f"}, "depends is 'acme.work:f', not a tuple"),
    "forms none": ({"forms": None}, "forms is None, not a tuple of Form"),
    "forms one": ({"forms": FORM}, "not a tuple of Form"),
    "forms empty": ({"forms": ()}, "forms is empty"),
    "forms odd": ({"forms": (FORM, ">=1.5")}, "forms has '>=1.5', not Form"),
    "note": ({"note": None}, "note is None, not a string"),
}


@pytest.mark.parametrize("case", WRONG_BINDING)
def test_a_wrong_binding_is_refused(case: str) -> None:
    changed, reason = WRONG_BINDING[case]
    refused(replace(ADAPTER, bindings=(replace(BINDING, **changed),)), reason)


WRONG_FORM: dict[str, tuple[dict[str, Any], str]] = {
    "releases none": ({"releases": None}, "form None: releases is not a version specifier such as '>=1.2,<1.5'"),
    "releases empty": ({"releases": ""}, "form '': releases is not a version specifier"),
    "releases bare": ({"releases": "1.2"}, "form '1.2': releases is not a version specifier"),
    "releases tuple": ({"releases": (">=1.2", "<2")}, "releases is not a version specifier"),
    "status": ({"status": "fixed"}, "status is 'fixed', not one of stalls, repeats work, upstreamed"),
    "status none": ({"status": None}, "status is None, not one of"),
    "status list": ({"status": ["stalls"]}, "status is ['stalls'], not one of"),
    "why": ({"why": 7}, "why is 7, not a string"),
    "wrapped_by": ({"wrapped_by": "a.b"}, "wrapped_by is 'a.b', not the name of a function, or empty"),
    "torch": ({"torch": "2.15"}, "torch is '2.15', not a version specifier such as '<2.15', or empty"),
    "torch none": ({"torch": None}, "torch is None, not a version specifier"),
    "compose function": ({"compose": compose}, "not a tuple of functions, or None"),
    "compose too many": ({"compose": (compose, compose)}, "compose has 2 functions for 1 targets"),
    "compose empty": ({"compose": ()}, "compose has 0 functions for 1 targets"),
    "compose text": ({"compose": ("compose",)}, "compose has 'compose', not functions, or None"),
}


@pytest.mark.parametrize("case", WRONG_FORM)
def test_a_wrong_form_is_refused(case: str) -> None:
    changed, reason = WRONG_FORM[case]
    refused(replace(ADAPTER, bindings=(replace(BINDING, forms=(replace(FORM, **changed),)),)), reason)


WRONG_ATTACHMENT: dict[str, tuple[dict[str, Any], str]] = {
    "target": ({"target": "torch.work:f"}, "an attachment: target is 'torch.work:f', not 'acme.module:Class.function'"),
    "target none": ({"target": None}, "an attachment: target is None, not"),
    "make": ({"make": None}, "an attachment: make is None, not a function"),
    "purpose": ({"purpose": 7}, "an attachment: purpose is 7, not a string"),
    "adds": ({"adds": 1}, "an attachment: adds is 1, not True or False"),
}


@pytest.mark.parametrize("case", WRONG_ATTACHMENT)
def test_a_wrong_attachment_is_refused(case: str) -> None:
    changed, reason = WRONG_ATTACHMENT[case]
    refused(replace(ADAPTER, attachments=(replace(ATTACHMENT, **changed),)), reason)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (">=1.2,<1.5", ">=1.4,<1.6"),
        (">=1.2,<=1.5", ">=1.5,<1.6"),
        (">=1.2", "==1.5"),
        (">1.0,<2", ">1.1,<3"),
        ("<2", "<3"),
        ("~=1.2", "==1.*"),
        ("!=1.3", "==1.2"),
        (">=1.2", ">=1.2"),
    ],
)
def test_forms_that_overlap_are_refused(one: str, other: str) -> None:
    for releases in ((one, other), (other, one)):
        forms = tuple(replace(FORM, releases=text) for text in releases)
        refused(
            replace(ADAPTER, bindings=(replace(BINDING, forms=forms),)), f"{releases[0]!r} and {releases[1]!r} overlap, at "
        )


@pytest.mark.parametrize(
    "releases", [(">=1.2,<1.5", ">=1.5,<=1.7"), ("<1.2", "==1.2", ">1.2"), ("==1.2.*", "==1.3.*"), ("<1.2", ">=1.2")]
)
def test_forms_that_only_meet_are_taken_in(releases: tuple[str, ...]) -> None:
    forms = tuple(replace(FORM, releases=text) for text in releases)
    check_adapter(replace(ADAPTER, bindings=(replace(BINDING, forms=forms),)), "acme 1.0")


@pytest.mark.parametrize(("one", "other", "meet"), [("<2.15", ">=2.15", False), ("<2.15", "", True), ("<2.15", ">=2.14", True)])
def test_forms_over_the_same_releases_are_taken_in_for_different_releases_of_torch(one: str, other: str, meet: bool) -> None:
    adapter = replace(ADAPTER, bindings=(replace(BINDING, forms=(replace(FORM, torch=one), replace(FORM, torch=other))),))
    if meet:
        refused(adapter, "overlap, at 1.2 for example")
    else:
        check_adapter(adapter, "acme 1.0")


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = replace(ADAPTER, package="a.b", logger=None, bindings=(replace(BINDING, hook="x", note=7),))  # type: ignore[arg-type]
    with pytest.raises(PluginError) as caught:
        check_adapter(wrong, "acme 1.0")
    assert all(said in str(caught.value) for said in ("'a.b'", "logger is None", "unknown hook 'x'", "note is 7"))


@pytest.mark.parametrize("value", [None, 7, "acme", Adapter, BINDING, Unshowable()], ids=lambda value: type(value).__name__)
def test_what_is_no_adapter_is_refused(value: object) -> None:
    refused(value, "is not a syncfree.adapting.Adapter")


def test_two_bindings_of_one_adapter_on_one_target_are_refused() -> None:
    refused(
        replace(ADAPTER, bindings=(BINDING, replace(BINDING, hook="vae_decode"))), "two bindings on one target, acme.work"
    )


def test_an_adapter_without_release_data_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`syncfree fingerprint` looks the adapter up to write its release data; until then its bindings are judged unknown."""
    (tmp_path / "made_up_home").mkdir()
    (tmp_path / "made_up_home" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    adapters = Adapters().discover()
    adapters.add(replace(ADAPTER, home="made_up_home"), "acme 1.0")
    assert adapters.get("acme").home == "made_up_home"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.sampled_from(["acme", "acme.work:f", ">=1", "stalls", "syncfree", "postprocess", compose, FORM, BINDING]),
    st.lists(st.sampled_from(["acme", FORM, BINDING, None]), max_size=2).map(tuple),
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("hook", "targets", "forms", "depends", "note"), VALUES)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("framework", "package", "distributions", "home", "bindings"), VALUES)),
)
def test_whatever_an_adapter_holds_it_is_taken_in_or_refused_in_one_line(
    binding: dict[str, Any], adapter: dict[str, Any]
) -> None:
    made = replace(ADAPTER, **{"bindings": (replace(BINDING, **binding),), **adapter})
    said = ""
    try:
        check_adapter(made, "acme 1.0")
    except PluginError as error:
        said = str(error)
    assert said.isprintable()
    assert said.startswith("adapter of acme 1.0: ") or made.package == "acme"


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Neighbours(tmp_path)


GOOD = """
from syncfree.adapting import Adapter
ADAPTER = Adapter("good", "good", ("good",), (), home=__name__)
"""
INSTALLED = {
    "exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "base exception": (
        "class Odd(BaseException):\n  def __str__(self): raise SystemExit\nraise Odd",
        "Odd: (its text cannot",
    ),
    "syntax": ("def broken(:", "made_up_acme/__init__.py:1)"),
    "nothing": ("", "has no attribute 'ADAPTER'"),
    "none": ("ADAPTER = None", "None is not a syncfree.adapting.Adapter"),
    "wrong call": ("from syncfree.adapting import Adapter\nADAPTER = Adapter()", "missing 5 required positional arguments"),
    "unknown field": ("from syncfree.adapting import Form\nForm(version='1')", "unexpected keyword argument 'version'"),
    "taken": (GOOD.replace("good", "vllm"), "framework 'vllm' has two adapters: of syncfree"),
    "wrong": (GOOD.replace('"good", ("good",)', '"good.x", ("good",)'), "package is 'good.x', not the name of a top-level"),
    "subclass": (
        """
        from syncfree.adapting import Adapter
        class Odd(Adapter):
            def __getattribute__(self, name): raise SystemExit(name)
        ADAPTER = Odd('a', 'a', ('a',), (), home=__name__)
        """,
        "SystemExit",
    ),
}


@pytest.mark.parametrize("case", INSTALLED)
def test_an_installed_adapter_that_fails_is_left_out_with_one_line_and_the_others_are_there(
    neighbours: Neighbours, case: str
) -> None:
    source, reason = INSTALLED[case]
    neighbours.adapter(source)
    neighbours.adapter(GOOD, "good")
    adapters = Adapters().discover()
    assert {found.framework for found in adapters} == {*SHIPPED, "good"}
    (broken,) = adapters.broken
    assert broken.startswith("adapter 'acme' of acme 1.0: ")
    assert broken.count("acme 1.0") == 1 or case == "taken"
    assert reason in broken
    assert broken.isprintable()
    with pytest.raises(SelectionError, match="no adapter for 'acme'"):
        adapters.get("acme")


def test_an_adapter_that_imports_its_framework_while_that_is_imported_is_given_the_next_step(neighbours: Neighbours) -> None:
    neighbours.adapter("from made_up_framework import Later")
    neighbours.module(
        "made_up_framework", "from syncfree._adapters import Adapters\nbroken = Adapters().discover().broken\nclass Later: pass\n"
    )
    __import__("made_up_framework")
    (broken,) = sys.modules["made_up_framework"].broken
    assert broken.endswith("made_up_framework is still being imported: an adapter must not import its framework")


def test_damaged_metadata_is_said_once_with_the_plugins(neighbours: Neighbours) -> None:
    neighbours.distribution(b"\xff")
    plugins = Plugins(HOOKS)
    plugins.discover()
    assert [str(broken).partition(":")[0] for broken in plugins.broken] == ["acme 1.0"]
    assert Adapters().discover().broken == []


@pytest.mark.parametrize("imported_first", [False, True])
@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), RuntimeError(Unshowable())], ids=["exit", "generator", "text"]
)
def test_a_compose_function_that_fails_is_the_adapters_and_the_framework_is_imported(
    made_up: MadeUp, error: BaseException, imported_first: bool
) -> None:
    def fails(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
        raise error

    syncfree.register(First(), "first")
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(reduce_binding(Form(">=1.0,<2", "stalls", "it stalls", (fails,))))
    if imported_first:
        made_up.work()
    syncfree.load("made_up")
    assert made_up.work().reduce(*CALL)[0] == "upstream"
    (entry,) = syncfree.plan()
    assert entry.state == "refused"
    assert f"the adapter failed: {type(error).__name__}" in entry.reason
