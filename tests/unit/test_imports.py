"""The post-import finder."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from syncfree._import_hook import PostImportFinder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def finder() -> Iterator[PostImportFinder]:
    made = PostImportFinder()
    yield made
    made.stop()


def test_the_callback_runs_after_the_module_and_before_the_import_returns(folder: Path, finder: PostImportFinder) -> None:
    (folder / "watched.py").write_text("value = 1\n")
    (folder / "reader.py").write_text("from watched import value\n")

    def patch(module: ModuleType, imported: frozenset[str]) -> None:
        assert module.value == 1
        module.value = 2  # type: ignore[attr-defined]

    finder.watch("watched", patch)
    assert importlib.import_module("reader").value == 2


def test_the_callback_is_told_which_modules_came_in_meanwhile(folder: Path, finder: PostImportFinder) -> None:
    (folder / "watched.py").write_text("import helper_of_watched\n")
    (folder / "helper_of_watched.py").write_text("")
    told: list[frozenset[str]] = []
    finder.watch("watched", lambda module, imported: told.append(imported))
    importlib.import_module("watched")
    assert told == [frozenset({"helper_of_watched"})]


def test_the_loader_keeps_its_type_and_is_clean_afterwards(folder: Path, finder: PostImportFinder) -> None:
    (folder / "watched.py").write_text("")
    finder.watch("watched", lambda module, imported: None)
    module = importlib.import_module("watched")
    assert type(module.__loader__) is SourceFileLoader
    assert getattr(module.__spec__, "loader", None) is module.__loader__
    assert "exec_module" not in vars(module.__loader__)


def test_a_loader_that_modules_share_is_left_alone(
    folder: Path, finder: PostImportFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
        archive.writestr("zipped.py", "value = 1\n")
        archive.writestr("neighbour.py", "value = 1\n")
    monkeypatch.syspath_prepend(str(folder / "lib.zip"))
    seen: list[str] = []
    finder.watch("zipped", lambda module, imported: seen.append(module.__name__))
    zipped, neighbour = importlib.import_module("zipped"), importlib.import_module("neighbour")
    assert seen == ["zipped"]
    assert type(zipped.__loader__) is type(neighbour.__loader__)


def test_a_module_that_fails_to_execute_raises_its_own_error_and_is_watched_on(
    folder: Path, finder: PostImportFinder
) -> None:
    (folder / "watched.py").write_text("raise ZeroDivisionError('its own')\n")
    seen: list[str] = []
    finder.watch("watched", lambda module, imported: seen.append(module.__name__))
    with pytest.raises(ZeroDivisionError, match="its own"):
        importlib.import_module("watched")
    assert seen == []
    (folder / "watched.py").write_text("repaired = True\n")
    importlib.invalidate_caches()
    importlib.import_module("watched")
    assert seen == ["watched"]


def test_an_error_of_the_callback_leaves_the_import_statement(folder: Path, finder: PostImportFinder) -> None:
    (folder / "watched.py").write_text("")

    def refuse(module: ModuleType, imported: frozenset[str]) -> None:
        raise ValueError("cannot be met")

    finder.watch("watched", refuse)
    with pytest.raises(ValueError, match="cannot be met"):
        importlib.import_module("watched")


def test_a_missing_module_stays_missing(finder: PostImportFinder) -> None:
    finder.watch("there_is_no_such_module", lambda module, imported: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("there_is_no_such_module")


def test_stop_leaves_nothing_behind(finder: PostImportFinder) -> None:
    finder.watch("never_imported", lambda module, imported: None)
    assert finder in sys.meta_path
    finder.stop()
    assert finder not in sys.meta_path
    assert finder.waiting == {}


@pytest.mark.parametrize("answer", ["True", "False", "1 / 0"])
def test_a_neighbour_that_compares_itself_in_its_own_way_disturbs_nothing(
    folder: Path, finder: PostImportFinder, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    class Neighbour:
        def __eq__(self, other: object) -> bool:
            return bool(eval(answer))

        __hash__ = None  # type: ignore[assignment]

        def find_spec(self, name: str, path: object, target: object = None) -> None:
            return None

    (folder / "watched.py").write_text("")
    seen: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Neighbour(), *sys.meta_path])
        finder.watch("watched", lambda module, imported: seen.append(module.__name__))
        patch.setattr(sys, "meta_path", [Neighbour(), *sys.meta_path])
        importlib.import_module("watched")
        finder.stop()
        assert not any(other is finder for other in sys.meta_path)
    assert seen == ["watched"]
