"""Finding a framework, its release and an adapter's release data where metadata is damaged or somebody's finder fails."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncfree import SelectionError
from syncfree._frameworks import find_installed
from syncfree.adapting import Adapter
from syncfree.fingerprints._releases import FILE_NAME, ReleaseDataError, folder_of, read_releases

from .neighbours import Neighbours

ADAPTER = Adapter("made_up", "made_up", ("made-up", "made-up-cpu"), (), home="made_up")


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """A folder in front of all others, with a framework."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Neighbours(tmp_path)
    made.module("made_up/__init__", "")
    return made


@pytest.mark.parametrize(
    "metadata",
    [None, b"Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\nAuthor: caf\xe9\n", "Metadata-Version: 2.1\n", b"\0" * 9],
    ids=["missing", "latin-1", "nameless", "zeros"],
)
def test_the_release_is_in_the_name_of_the_folder_where_metadata_cannot_be_read(
    neighbours: Neighbours, metadata: str | bytes | None
) -> None:
    neighbours.distribution("", "made_up", "1.0", metadata)
    found = find_installed(ADAPTER)
    assert str(found) == "made_up 1.0"


@pytest.mark.parametrize("metadata", [None, "Name: made-up\nVersion: of today\n", "Name: made-up\n"])
def test_a_release_that_nothing_says_is_unknown(neighbours: Neighbours, metadata: str | None) -> None:
    neighbours.distribution("", "made_up", metadata=metadata, folder="made_up.egg-info")
    found = find_installed(ADAPTER)
    assert found is not None
    assert found.version is None
    assert str(found) == "made_up of unknown version"


def test_of_two_releases_beside_the_package_the_one_that_owns_its_files_counts(neighbours: Neighbours) -> None:
    neighbours.distribution("", "made_up", "1.0")
    (neighbours.distribution("", "made_up_cpu", "2.0") / "RECORD").write_text("made_up/__init__.py,,\n")
    assert str(find_installed(ADAPTER)) == "made_up 2.0"


def test_a_list_of_files_that_cannot_be_read_names_none(neighbours: Neighbours) -> None:
    (neighbours.distribution("", "made_up", "1.0") / "RECORD").write_text("made_up/__init__.py,,\n")
    (neighbours.distribution("", "made_up_cpu", "2.0") / "RECORD").write_bytes(b"\xff\n")
    assert str(find_installed(ADAPTER)) == "made_up 1.0"


class Fails:
    """A finder that fails whatever is asked."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith("made_up"):
            raise self.error

    def find_distributions(self, context: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("made_up.__spec__ is None"), ImportError(), SystemExit(3)], ids=repr)
def test_a_framework_that_a_finder_fails_to_find_is_not_installed(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Fails(error), *sys.meta_path])
        assert find_installed(ADAPTER) is None
        with pytest.raises(
            ReleaseDataError, match=f"made_up_home is not a package that can be found: {type(error).__name__}"
        ):
            folder_of("made_up_home")


def test_a_choice_that_cannot_be_met_is_no_failure_of_a_finder(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Fails(SelectionError("cannot be met")), *sys.meta_path])
        with pytest.raises(SelectionError, match="cannot be met"):
            find_installed(ADAPTER)


@pytest.mark.parametrize("paths", [None, 7, [None], []], ids=repr)
def test_a_module_that_is_no_package_is_no_framework(monkeypatch: pytest.MonkeyPatch, paths: Any) -> None:
    module = ModuleType("made_up")
    module.__path__ = paths
    monkeypatch.setitem(sys.modules, "made_up", module)
    assert find_installed(ADAPTER) is None


def test_a_source_that_must_not_be_looked_at_is_not_there(neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_installed(ADAPTER)
    assert found is not None
    assert found.source("made_up") == neighbours.folder / "made_up" / "__init__.py"

    def stat(path: Any, **options: Any) -> Any:
        raise PermissionError(path)

    with monkeypatch.context() as patch:
        patch.setattr("os.stat", stat)
        assert found.source("made_up") is None


def checked(**content: Any) -> str:
    """A release data file whose checksum is right."""
    text = json.dumps(content, sort_keys=True)
    return json.dumps({**content, "checksum": "sha256:" + hashlib.sha256(text.encode()).hexdigest()})


WHOLE: dict[str, Any] = {"format": 1, "framework": "made_up", "releases": ["1.0"], "targets": {}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        checked(format=1),
        checked(**{**WHOLE, "releases": ["one"]}),
        checked(**{**WHOLE, "releases": 7}),
        checked(**{**WHOLE, "targets": {"made_up:f": [{}]}}),
        checked(**{**WHOLE, "targets": [1]}),
        checked(**{**WHOLE, "files": 7}),
    ],
    ids=["deep", "empty", "release", "releases", "bodies", "targets", "files"],
)
def test_release_data_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ReleaseDataError, match="run `syncfree fingerprint`"):
        read_releases(tmp_path / FILE_NAME)
