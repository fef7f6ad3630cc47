"""Two finders that watch one module: ours beside another tool's of the same kind."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from syncfree._import_hook import PostImportFinder


def test_both_callbacks_run_and_neither_finder_asks_the_other_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watched_twice.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    first, second = PostImportFinder(), PostImportFinder()
    called: list[str] = []
    try:
        first.watch("watched_twice", lambda module, imported: called.append("first"))
        second.watch("watched_twice", lambda module, imported: called.append("second"))
        assert importlib.import_module("watched_twice").value == 1
    finally:
        first.stop()
        second.stop()
    assert called == ["first", "second"]
