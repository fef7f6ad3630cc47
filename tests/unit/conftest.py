"""Fixtures of the unit tests: a registry of one's own, and frameworks made of a few lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncfree
from syncfree import _api, _autoload, ranks
from syncfree._adapters import Adapters
from syncfree._runtime import Runtime

from . import spawned
from .made_up import GATHER, REDUCE, MadeUp, Mine, reduce_binding
from .neighbours import GOOD, Neighbours
from .two_places import Raising, gather_binding


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("SYNCFREE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SYNCFREE_CONTROL", "off")  # tests/control has it on


@pytest.fixture(autouse=True)
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A registry of this test's own; afterwards nothing is patched and nothing is watched."""
    finders, modules = list(sys.meta_path), set(sys.modules)
    own = {"made_up", "no_adapters"} & set(request.fixturenames)
    fresh = Runtime(adapters=Adapters() if own else None)
    monkeypatch.setattr(_api, "RUNTIME", fresh)
    monkeypatch.setattr(_autoload, "RUNTIME", fresh)
    monkeypatch.setattr(ranks, "RUNTIME", fresh)
    yield fresh
    assert syncfree.restore() == ()
    assert sys.meta_path == finders
    for name in set(sys.modules) - modules:
        if name.startswith("made_up"):
            del sys.modules[name]


@pytest.fixture
def made_up(tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """A framework written into a temporary folder, with an adapter for it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return MadeUp(tmp_path, runtime)


@pytest.fixture
def only_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin ``mine`` is registered and preferred."""
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")


@pytest.fixture
def ready(made_up: MadeUp, only_mine: None) -> MadeUp:
    """Release 1.0 stalls, is recorded, installed, and has an adapter."""
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    return made_up


@pytest.fixture
def two(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Two bindings of one hook, two plugins; by default upstream's code runs in both places."""
    spawned.register()
    monkeypatch.setenv("SYNCFREE_PLUGINS", "first,second,raising")
    syncfree.register(Raising(), "raising")
    made_up.release("1.0")
    made_up.record(REDUCE, GATHER)
    made_up.install("1.0")
    made_up.adapter(reduce_binding(), gather_binding())
    return made_up


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """A folder in front of all others, with one plugin that nothing is wrong with."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Neighbours(tmp_path)
    made.plugin(GOOD, "good")
    return made
