"""A framework has a new release: the third walk of CONTRIBUTING.md, on a framework made for the test."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

import syncfree
from syncfree._plan import Entry
from syncfree._runtime import Runtime
from syncfree.cli import _app, fingerprint

from .made_up import REDUCE, SLOW, MadeUp
from .made_up_wheels import make_wheel, use_index
from .spawned import CALL, First

UNCHANGED = SLOW.replace("static(value)", "static(value, more=None)")
CHANGED = SLOW.replace('["upstream", ', '["upstream again", ')
ADAPTER = '''
from syncfree.adapting import Adapter, Binding, Form


def _compose(mine, theirs):
    def reduce(local, rank, size, group, device):
        return mine(local, rank, size, group, device)

    return reduce


FORMS = ({forms},)
BINDING = Binding("dp_all_reduce", ("made_up.work:reduce",), FORMS)
ADAPTER = Adapter("made_up", "made_up", ("made-up",), (BINDING,), home=__name__, reviewed={reviewed})
'''
OPEN = 'Form(">=1.0", "stalls", "it stalls", (_compose,))'
CLOSED = f'{OPEN.replace(">=1.0", ">=1.0,<1.2")}, Form(">=1.2", "stalls", "it stalls less", (_compose,))'


class Maintainer:
    """Has an adapter in a file, the releases 1.0 and 1.1 recorded, and 1.2 on the package index and installed."""

    def __init__(self, made_up: MadeUp, index: Path) -> None:
        self.made_up = made_up
        self.index = index
        self.source = made_up.folder / "made_up_adapter" / "__init__.py"
        self.source.parent.mkdir()

    def begin(self, newest: str, *, forms: str = OPEN, reviewed: str | None = None) -> None:
        self.source.write_text(ADAPTER.format(forms=forms, reviewed=repr(reviewed)))
        self.made_up.runtime.adapters().add(importlib.import_module("made_up_adapter").ADAPTER)
        for version, code in {"1.0": SLOW, "1.1": SLOW, "1.2": newest}.items():
            self.made_up.release(version, code)
            files = {"made_up/__init__.py": "", "made_up/work.py": textwrap.dedent(code)}
            make_wheel(self.index, "made_up", version, files)
        self.record("1.0", "1.1")
        self.made_up.install("1.2")
        syncfree.register(First(), "first")

    def record(self, *releases: str) -> None:
        options = [text for release in releases for text in ("--release", release)]
        done = CliRunner().invoke(_app.app, ["fingerprint", "made_up", *options])
        assert done.exit_code == 0, done.output

    def loaded(self) -> Entry:
        """Return what loading says of the binding, in a process that starts now."""
        syncfree.restore()
        return syncfree.load("made_up").entry("dp_all_reduce")

    def answer(self) -> str:
        """Return who answers a call."""
        return str(self.made_up.work().reduce(*CALL)[0])


@pytest.fixture
def maintainer(made_up: MadeUp, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maintainer:
    monkeypatch.setattr(fingerprint, "RUNTIME", runtime)
    monkeypatch.setenv("SYNCFREE_PLUGINS", "-sync_free")  # so that the default is the test's own
    use_index(monkeypatch, tmp_path / "wheels", tmp_path / "cache")
    return Maintainer(made_up, tmp_path / "wheels")


def test_a_release_that_changes_nothing_is_one_command(maintainer: Maintainer) -> None:
    maintainer.begin(UNCHANGED)
    source = maintainer.source.read_bytes()
    before = maintainer.loaded()
    assert (before.verdict, before.state, maintainer.answer()) == ("unknown", "refused", "upstream")
    assert "made_up 1.2 was not seen before (seen: >=1.0,<=1.1); its code is that of >=1.0,<=1.1" in before.reason
    maintainer.record("1.2")
    after = maintainer.loaded()
    assert (after.verdict, after.state, maintainer.answer()) == ("stalls", "bound", "first")
    assert maintainer.source.read_bytes() == source


def test_a_release_with_a_changed_function_stays_refused_when_it_is_recorded(maintainer: Maintainer) -> None:
    maintainer.begin(CHANGED)
    before = maintainer.loaded()
    assert (before.verdict, before.state, maintainer.answer()) == ("unknown", "refused", "upstream again")
    assert "made_up 1.2 was not seen before (seen: >=1.0,<=1.1), and its code is new" in before.reason
    maintainer.record("1.2")
    after = maintainer.loaded()
    assert (after.verdict, after.state, maintainer.answer()) == ("unknown", "refused", "upstream again")
    assert f"the code of {REDUCE} changed: expected sha256:" in after.reason


@pytest.mark.parametrize(
    ("forms", "reviewed", "seen", "why"),
    [
        (OPEN, "1.2", ">=1.0,<=1.1", "it stalls"),
        (CLOSED, "1.1", ">=1.0,<1.2", "it stalls less"),
        (CLOSED, None, ">=1.0,<1.2", "it stalls less"),
    ],
    ids=["the form still fits", "the next form", "the next form of an adapter that says nothing of reviews"],
)
def test_a_changed_function_is_bound_once_the_adapter_says_what_the_change_means(
    maintainer: Maintainer, forms: str, reviewed: str | None, seen: str, why: str
) -> None:
    maintainer.begin(CHANGED, forms=forms, reviewed=reviewed)
    before = maintainer.loaded()
    assert (before.verdict, maintainer.answer()) == ("unknown", "upstream again")
    assert f"(seen: {seen})" in before.reason
    maintainer.record("1.2")
    after = maintainer.loaded()
    assert (after.verdict, after.reason, after.state, maintainer.answer()) == ("stalls", why, "bound", "first")


def test_a_change_that_is_taken_back_needs_no_review(maintainer: Maintainer) -> None:
    maintainer.begin(CHANGED)
    maintainer.record("1.2")
    files = {"made_up/__init__.py": "", "made_up/work.py": SLOW}
    make_wheel(maintainer.index, "made_up", "1.3", files)
    maintainer.made_up.release("1.3", SLOW)
    (maintainer.made_up.folder / "made_up-1.2.dist-info" / "METADATA").unlink()
    (maintainer.made_up.folder / "made_up-1.2.dist-info").rmdir()
    maintainer.made_up.install("1.3")
    maintainer.record("1.3")
    assert maintainer.loaded().verdict == "stalls"
