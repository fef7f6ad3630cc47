"""A target that somebody else has patched is refused with that somebody's name, however the patch disguises itself."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapt

import syncfree
from syncfree import BindingError, SelectionError, hookimpl
from syncfree._patch import make_patches
from syncfree.adapting import Binding, Form

from . import foreign_patches
from .decorated_framework import DECORATING, SOURCE
from .foreign_patches import PATCHES, wrapped, wrapt_wrapper
from .made_up import MadeUp

HOOK = "dp_all_reduce"
PLAIN = ("reduce", "conditional", "Work.method")
DECORATED = ("Work.in_time", "Work.thrice", "Work.through_partial", "Work.context", "Work.by_object", "Work.as_is")
METHODS = ("Work.static", "Work.made", "Work.with_name")


def compose(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: ("replaced", args, kwargs)


REDUCE_BINDING = Binding(HOOK, ("made_up.work:reduce",), (Form(">=1.0,<2", "stalls", "", (compose,)),))


class Mine:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local


@pytest.fixture
def framework(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """A framework with targets of every kind; `bind` binds one of them."""
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")
    made_up.release("1.0", SOURCE)
    made_up.install("1.0")
    (made_up.folder / "made_up" / "decorating.py").write_text(DECORATING)
    return made_up


def bind(framework: MadeUp, name: str) -> syncfree.Entry:
    target = f"made_up.work:{name}"
    framework.record(target)
    framework.adapter(Binding(HOOK, (target,), (Form(">=1.0,<2", "stalls", "", (compose,)),)))
    return syncfree.load("made_up").entry(HOOK)


def owner_and_name(framework: MadeUp, name: str) -> tuple[Any, str]:
    work: Any = framework.work()
    return (work, name) if "." not in name else (work.Work, name.split(".")[1])


@pytest.mark.parametrize("imported_first", [True, False])
@pytest.mark.parametrize("name", [*PLAIN, *DECORATED, *METHODS])
def test_what_the_source_defines_is_bound_whatever_its_decorators(framework: MadeUp, name: str, imported_first: bool) -> None:
    if imported_first:
        framework.work()
    bind(framework, name)
    owner, attribute = owner_and_name(framework, name)
    assert syncfree.plan().entry(HOOK).state == "bound"
    self = () if owner is framework.work() else (owner(),)
    raw = vars(owner)[attribute]
    before = getattr(*self, attribute) if self else getattr(owner, attribute)
    assert before(7)[0] == "replaced" if attribute != "reduce" else before(*range(5))[0] == "replaced"
    syncfree.restore()
    assert vars(owner)[attribute] is not raw


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("name", [*PLAIN, *METHODS, "Work.in_time", "Work.thrice", "Work.as_is"])
def test_a_patched_target_is_refused_and_left_alone(framework: MadeUp, name: str, patch: str) -> None:
    owner, attribute = owner_and_name(framework, name)
    raw = vars(owner)[attribute]
    method = type(raw) if isinstance(raw, (staticmethod, classmethod)) else None
    theirs = PATCHES[patch](raw.__func__ if method else raw)
    theirs = method(theirs) if method else theirs
    setattr(owner, attribute, theirs)
    entry = bind(framework, name)
    assert entry.state == "refused"
    assert f"made_up.work:{name} was already replaced by " in entry.reason
    assert "two patches of one target are refused" in entry.reason
    assert vars(owner)[attribute] is theirs


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("reduce", staticmethod),
        ("Work.method", staticmethod),
        ("Work.method", classmethod),
        ("Work.static", lambda raw: raw.__func__),
        ("Work.static", lambda raw: classmethod(raw.__func__)),
        ("Work.made", lambda raw: raw.__func__),
        ("Work.with_name", lambda raw: raw.__func__),
        ("Work.with_name", lambda raw: staticmethod(wrapped(raw.__func__.__wrapped__))),
        ("Work.in_time", lambda raw: wrapped(raw.__wrapped__)),
        ("Work.as_is", lambda raw: wrapped(raw)),
    ],
)
def test_another_kind_of_method_and_an_exchanged_decorator_are_patches(
    framework: MadeUp, name: str, patch: Callable[[Any], Any]
) -> None:
    owner, attribute = owner_and_name(framework, name)
    theirs = patch(vars(owner)[attribute])
    setattr(owner, attribute, theirs)
    assert "was already replaced by" in bind(framework, name).reason
    assert vars(owner)[attribute] is theirs


@pytest.mark.parametrize("patch", ["functools.wraps", "wrapt.FunctionWrapper", "functools.partial", "a copy with other globals"])
def test_the_refusal_names_whose_the_patch_is_and_where_it_is_written(framework: MadeUp, patch: str) -> None:
    work: Any = framework.work()
    work.reduce = PATCHES[patch](work.reduce)
    reason = bind(framework, "reduce").reason
    assert foreign_patches.__file__ in reason or patch == "a copy with other globals"
    assert foreign_patches.__name__ in reason or "made_up.work (" in reason


def test_an_explicit_choice_at_a_patched_target_is_an_error(framework: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "mine")
    work: Any = framework.work()
    work.reduce = theirs = wrapt.FunctionWrapper(work.reduce, wrapt_wrapper)
    with pytest.raises(SelectionError, match=r"cannot be met.*already replaced by a .*FunctionWrapper"):
        bind(framework, "reduce")
    assert work.reduce is theirs


def test_a_class_that_was_replaced_by_a_subclass_is_refused_and_named(framework: MadeUp) -> None:
    work: Any = framework.work()
    work.Work = type("Theirs", (work.Work,), {"__module__": __name__})
    assert f"Work is now {__name__}.Theirs" in bind(framework, "Work.method").reason


def test_a_patch_of_the_parent_class_is_not_a_patch_of_the_target(framework: MadeUp) -> None:
    work: Any = framework.work()
    work.Work.method_of_base = work.Work.method
    assert bind(framework, "Work.method").state == "bound"


def test_a_class_that_defines_its_own_setattr_is_refused(framework: MadeUp) -> None:
    class Guarded(type):
        def __setattr__(cls, name: str, value: Any) -> None:
            raise TypeError("not to be patched")

    work: Any = framework.work()
    work.Work = Guarded("Work", (), dict(vars(work.Work)))
    entry = bind(framework, "Work.method")
    assert entry.state == "refused"
    assert "Guarded defines its own __setattr__" in entry.reason


def test_a_module_whose_file_has_changed_since_it_was_imported_is_refused(framework: MadeUp) -> None:
    framework.record("made_up.work:reduce")
    framework.work()
    (framework.folder / "made_up" / "work.py").write_text(f"\n\n{SOURCE}")
    assert "was changed after it was imported" in bind(framework, "reduce").reason


@pytest.mark.parametrize("other", [object(), types.SimpleNamespace(reduce=print), None])
def test_what_is_no_module_is_refused(framework: MadeUp, other: Any) -> None:
    with pytest.MonkeyPatch.context() as loaded:
        loaded.setitem(sys.modules, "made_up.work", other)
        with pytest.raises(BindingError, match=r"made_up\.work in sys\.modules is not a module"):
            make_patches(REDUCE_BINDING, REDUCE_BINDING.forms[0])
    framework.work()
    sys.modules["made_up.work"] = other
    assert bind(framework, "reduce").state in ("refused", "waiting")


def test_a_module_that_answers_for_its_attributes_itself_is_asked_past_that(framework: MadeUp) -> None:
    class Lying(types.ModuleType):
        @property
        def __dict__(self) -> Any:
            return {}

        def __getattribute__(self, name: str) -> Any:
            return print

    work: Any = framework.work()
    work.reduce = theirs = wrapped(work.reduce)
    work.__class__ = Lying
    try:
        with pytest.raises(BindingError, match="was already replaced by"):
            make_patches(REDUCE_BINDING, REDUCE_BINDING.forms[0])
    finally:
        object.__setattr__(work, "__class__", types.ModuleType)
    assert work.reduce is theirs


def test_a_module_of_the_framework_that_refuses_attributes_does_not_stop_a_binding(framework: MadeUp) -> None:
    class Sealed(types.ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError("sealed")

    work: Any = framework.work()
    copies: Any = importlib.import_module("made_up.copies")
    copies.__class__ = Sealed
    assert bind(framework, "reduce").state == "bound"
    assert copies.reduce is work.reduce
    syncfree.restore()
    assert copies.reduce is work.reduce


@pytest.mark.parametrize("tracing", ["sys.settrace", "sys.setprofile", "sys.monitoring"])
def test_a_function_under_a_debugger_or_coverage_is_still_its_source_s(framework: MadeUp, tracing: str) -> None:
    """From Python 3.12 on they instrument the code object in place."""
    reduce = framework.work().reduce
    with traced(tracing):
        for _ in range(100):
            reduce([1], 0, 1, None, "cpu")
        assert bind(framework, "reduce").state == "bound"


def test_a_function_that_has_run_ten_thousand_times_is_still_its_source_s(framework: MadeUp) -> None:
    reduce = framework.work().reduce
    for _ in range(10_000):
        reduce([1], 0, 1, None, "cpu")
    assert bind(framework, "reduce").state == "bound"


@contextlib.contextmanager
def traced(how: str) -> Iterator[None]:
    if how != "sys.monitoring":
        before = sys.gettrace() if how == "sys.settrace" else sys.getprofile()
        set_tracing = {"sys.settrace": sys.settrace, "sys.setprofile": sys.setprofile}[how]

        def tracer(*event: Any) -> Any:
            return tracer

        set_tracing(tracer)
        try:
            yield
        finally:
            set_tracing(before)
    elif sys.version_info >= (3, 12):
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(4, "a test")
        sys.monitoring.set_events(4, events.LINE | events.INSTRUCTION | events.PY_START)
        try:
            yield
        finally:
            sys.monitoring.set_events(4, 0)
            sys.monitoring.free_tool_id(4)
    else:
        yield
