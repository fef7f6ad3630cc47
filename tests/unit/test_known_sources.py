"""A source file that was read before, to the letter, is known without being parsed; loading twice at once binds once."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import syncfree
from syncfree import _judge

from .made_up import REDUCE, SLOW, MadeUp, reduce_binding
from .spawned import CALL, First


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that judging looked for in a parsed source."""
    found: list[str] = []
    fingerprint = _judge.fingerprint

    def watched(source: str, qualname: str) -> Any:
        found.append(qualname)
        return fingerprint(source, qualname)

    monkeypatch.setattr(_judge, "fingerprint", watched)
    return found


def ready(made_up: MadeUp, installed: str | None = None) -> None:
    made_up.release("1.0")
    made_up.record(REDUCE, sources=True)
    made_up.install("1.0", installed)
    made_up.adapter(reduce_binding())
    syncfree.register(First, name="first")


def test_a_known_source_is_judged_without_parsing_it(made_up: MadeUp, parsed: list[str]) -> None:
    ready(made_up)
    (entry,) = syncfree.load("made_up")
    assert (entry.verdict, parsed) == ("stalls", [])


def test_a_source_with_another_comment_is_parsed_and_judged_alike(made_up: MadeUp, parsed: list[str]) -> None:
    ready(made_up, SLOW + "\n# patched\n")
    (entry,) = syncfree.load("made_up")
    assert (entry.verdict, parsed) == ("stalls", ["reduce"])


def test_a_source_with_other_code_is_parsed_and_refused(made_up: MadeUp, parsed: list[str]) -> None:
    ready(made_up, SLOW.replace("return", "pass; return"))
    (entry,) = syncfree.load("made_up")
    assert (entry.verdict, entry.state, parsed) == ("unknown", "refused", ["reduce"])


def test_a_function_that_was_not_recorded_is_looked_for_in_a_known_source(made_up: MadeUp, parsed: list[str]) -> None:
    made_up.release("1.0")
    made_up.record(sources=True)
    made_up.install("1.0")
    made_up.adapter(reduce_binding())
    (entry,) = syncfree.load("made_up")
    assert (entry.verdict, parsed) == ("unknown", ["reduce"])


def test_loading_that_is_woken_by_looking_for_the_package_binds_once(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``syncfree.pth`` does: ``syncfree.load`` before the framework's first import."""
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "first")
    ready(made_up)

    class Wakes:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name == "made_up":
                sys.meta_path.remove(finder)
                syncfree.load("made_up")

    finder: Any = Wakes()
    sys.meta_path.insert(0, finder)
    syncfree.load("made_up")
    work = made_up.work()
    (entry,) = syncfree.plan()
    assert finder not in sys.meta_path
    assert (entry.state, entry.choice) == ("bound", "first")
    assert work.reduce(*CALL)[0] == "first"
