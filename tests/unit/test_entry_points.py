"""Finding entry points where the metadata of some distributions is damaged."""

from __future__ import annotations

import os
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncfree import __version__
from syncfree._entry_points import Found, find
from syncfree._own_entry_points import ADAPTERS, PLUGINS

from .neighbours import Neighbours

GOOD = "[syncfree]\ngood = made_up_good\n"


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """A folder in front of all others, with one distribution that nothing is wrong with."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Neighbours(tmp_path)
    made.distribution(GOOD, "good", "2.0")
    return made


def theirs(found: Found) -> list[tuple[str, str, str]]:
    return [(point.name, point.value, point.distribution) for point in found.points if not point.ours]


GOOD_ONE = ("good", "made_up_good", "good 2.0")


def test_a_whole_distribution_is_found_and_nothing_is_said(neighbours: Neighbours) -> None:
    found = find("syncfree")
    assert theirs(found) == [GOOD_ONE]
    assert found.damaged == []
    assert {point.name for point in found.points if point.ours} == set(PLUGINS)
    assert {point.distribution for point in found.points if point.ours} == {f"syncfree {__version__}"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("garbage\n", "line 1 of its entry_points.txt is not 'name = module:object': 'garbage'"),
        ("[console_scripts]\nrun acme:main\n", "line 2 of its entry_points.txt"),
        ("acme = made_up_acme\n", "line 1 of its entry_points.txt"),
        (b"[syncfree]\nacme = made_up_\xe9\n", "its entry_points.txt cannot be read: UnicodeDecodeError: 'utf-8' codec"),
        (b"\xff\xfe[\0s\0y\0", "its entry_points.txt cannot be read: UnicodeDecodeError"),
        ("[syncfree]\n\x1b[2J\n", r"is not 'name = module:object': '\x1b[2J'"),
    ],
)
def test_entry_points_that_cannot_be_read_are_named_and_the_others_are_found(
    neighbours: Neighbours, text: str | bytes, why: str
) -> None:
    neighbours.distribution(text)
    found = find("syncfree")
    ((whose, reason),) = found.damaged
    assert whose == "acme 1.0"
    assert why in reason
    assert theirs(found) == [GOOD_ONE]


def test_the_good_lines_of_a_file_with_a_bad_one_count(neighbours: Neighbours) -> None:
    neighbours.distribution("[other]\nbad\n[syncfree]\nacme = made_up_acme\n")
    found = find("syncfree")
    assert theirs(found) == [("acme", "made_up_acme", "acme 1.0"), GOOD_ONE]
    assert [whose for whose, _ in found.damaged] == ["acme 1.0"]


def make_a_folder(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").mkdir()


def make_a_fifo(info: Path) -> None:
    """Opening one waits for a writer."""
    (info / "entry_points.txt").unlink()
    os.mkfifo(info / "entry_points.txt")


def make_a_loop(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("entry_points.txt")


def make_the_folder_a_file(info: Path) -> None:
    for file in info.iterdir():
        file.unlink()
    info.rmdir()
    info.write_text("")


@pytest.mark.parametrize("damage", [make_a_folder, make_a_fifo, make_a_loop, make_the_folder_a_file])
def test_metadata_that_is_no_readable_file_is_named(neighbours: Neighbours, damage: Any) -> None:
    damage(neighbours.distribution("[syncfree]\nacme = made_up_acme\n"))
    found = find("syncfree")
    assert [whose for whose, _ in found.damaged] == ["acme 1.0"]
    assert theirs(found) == [GOOD_ONE]


def test_metadata_that_this_user_must_not_read_is_named(neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    info = neighbours.distribution("[syncfree]\nacme = made_up_acme\n")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: info not in Path(path).parents and access(path, mode))
    found = find("syncfree")
    ((whose, reason),) = found.damaged
    assert (whose, reason.endswith("must not be read by this user")) == ("acme 1.0", True)
    assert theirs(found) == [GOOD_ONE]


@pytest.mark.parametrize(
    "metadata",
    [None, b"Metadata-Version: 2.1\nName: caf\xe9\n", "Metadata-Version: 2.1\n", "\n\nName: late\n", b"\0" * 100],
    ids=["missing", "latin-1", "nameless", "body", "zeros"],
)
def test_a_plugin_is_found_although_its_metadata_does_not_say_whose_it_is(
    neighbours: Neighbours, metadata: str | bytes | None
) -> None:
    """The name of the folder says it, too."""
    neighbours.distribution("[syncfree]\nacme = made_up_acme\n", "acme_frames", "1.2", metadata)
    found = find("syncfree")
    assert theirs(found) == [("acme", "made_up_acme", "acme_frames 1.2"), GOOD_ONE]
    assert found.damaged == []


def test_a_metadata_that_is_a_named_pipe_is_not_waited_for(neighbours: Neighbours) -> None:
    info = neighbours.distribution("[syncfree]\nacme = made_up_acme\n", metadata=None)
    os.mkfifo(info / "METADATA")
    assert theirs(find("syncfree")) == [("acme", "made_up_acme", "acme 1.0"), GOOD_ONE]


def test_an_egg_info_without_a_version_is_found(neighbours: Neighbours) -> None:
    neighbours.distribution("[syncfree]\nacme = made_up_acme\n", metadata=None, folder="acme.egg-info")
    assert theirs(find("syncfree")) == [("acme", "made_up_acme", "acme (unknown version)"), GOOD_ONE]


def test_an_egg_info_that_is_a_file_has_no_entry_points_and_is_whole(neighbours: Neighbours) -> None:
    (neighbours.folder / "old-1.0.egg-info").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")
    assert find("syncfree").damaged == []


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(
    neighbours: Neighbours, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = tmp_path_factory.mktemp("behind")
    monkeypatch.setattr(sys, "path", [*sys.path, str(behind)])
    neighbours.distribution("[syncfree]\nacme = made_up_acme\n", "acme_frames", "2.0")
    Neighbours(behind).distribution("[syncfree]\nolder = made_up_older\n", "Acme.Frames", "1.0")
    assert theirs(find("syncfree")) == [("acme", "made_up_acme", "acme_frames 2.0"), GOOD_ONE]


def test_one_without_entry_points_in_front_hides_the_one_behind(
    neighbours: Neighbours, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = tmp_path_factory.mktemp("behind")
    monkeypatch.setattr(sys, "path", [*sys.path, str(behind)])
    (neighbours.distribution("") / "entry_points.txt").unlink()
    Neighbours(behind).distribution("[syncfree]\nacme = made_up_acme\n")
    assert theirs(find("syncfree")) == [GOOD_ONE]


@pytest.mark.parametrize("left", ["acme-0.9.dist-info", "~cme-1.0.dist-info", "~cme-1.0.dist-info/x"])
def test_what_an_interrupted_installation_left_hides_nothing(neighbours: Neighbours, tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir(parents=True)
    neighbours.distribution("[syncfree]\nacme = made_up_acme\n")
    found = find("syncfree")
    assert theirs(found) == [("acme", "made_up_acme", "acme 1.0"), GOOD_ONE]
    assert found.damaged == []


class Finder:
    """A finder of somebody else's."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        return None

    def find_distributions(self, context: Any) -> Any:
        yield from ()
        if isinstance(self.found, BaseException):
            raise self.found
        yield from self.found


class Odd(Distribution):
    """A distribution of somebody's own class, of which nothing can be read."""

    def read_text(self, filename: str) -> str | None:
        raise SystemExit(f"no {filename}")

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


class Slotted:
    """What a finder may return and is no distribution."""

    __slots__ = ()


@pytest.mark.parametrize("error", [RuntimeError("down"), SystemExit(3), GeneratorExit()], ids=repr)
def test_a_finder_that_fails_is_named_and_the_others_are_asked(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Finder(error), *sys.meta_path])
        found = find("syncfree")
    ((whose, reason),) = found.damaged
    assert whose == "the distributions of Finder on sys.meta_path"
    assert reason.startswith(type(error).__name__)
    assert theirs(found) == [GOOD_ONE]


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (Odd(), "SystemExit: no entry_points.txt"),
        (Slotted(), "AttributeError: 'Slotted'"),
        (None, "AttributeError: 'NoneType'"),
    ],
)
def test_a_distribution_of_an_unknown_class_that_fails_is_named(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, odd: object, why: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Finder([odd]), *sys.meta_path])
        found = find("syncfree")
    ((whose, reason),) = found.damaged
    assert whose == "a distribution without a name (unknown version)"
    assert why in reason
    assert theirs(found) == [GOOD_ONE]


@pytest.mark.parametrize("entry", [None, 7, b"/made/up", Path("/made/up")], ids=repr)
def test_an_entry_of_the_path_that_is_no_text_is_passed_over(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, entry: Any
) -> None:
    monkeypatch.setattr(sys, "path", [entry, *sys.path])
    assert theirs(find("syncfree")) == [GOOD_ONE]


def test_an_interrupt_is_passed_on(neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Finder(KeyboardInterrupt()), *sys.meta_path])
        with pytest.raises(KeyboardInterrupt):
            find("syncfree")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its metadata lacks some of its entry points"),
        (b"\xff", "its entry_points.txt cannot be read: UnicodeDecodeError"),
        ("[syncfree]\nbad\n", "line 2 of its entry_points.txt"),
        ("[syncfree]\nsync_free = no_such_module_x\n", "lacks some of its entry points"),
        (None, "its metadata is missing"),
    ],
)
@pytest.mark.parametrize(("group", "shipped"), [("syncfree", PLUGINS), ("syncfree.adapters", ADAPTERS)])
def test_our_own_are_found_in_the_package_where_our_metadata_is_damaged(
    neighbours: Neighbours,
    monkeypatch: pytest.MonkeyPatch,
    text: str | bytes | None,
    why: str,
    group: str,
    shipped: dict[str, str],
) -> None:
    if text is None:
        monkeypatch.setattr(sys, "path", [str(neighbours.folder)])
    else:
        neighbours.distribution(text, "syncfree", "0.0")
    found = find(group)
    assert {point.name: point.value for point in found.points if point.ours} == shipped
    ((whose, reason),) = found.damaged
    assert whose == f"syncfree {__version__}"
    assert why in reason
    assert "reinstall it" in reason


LINES = st.sampled_from(
    [
        "[syncfree]",
        "[syncfree.adapters]",
        "[other]",
        "[",
        "]",
        "a = b",
        "good = x",
        "=",
        "a=",
        "# a",
        "",
        "a b",
        "\x1b",
        "[ ]",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(LINES).map(lambda lines: "\n".join(lines).encode()), st.binary()))
def test_whatever_a_file_holds_the_others_are_found_and_at_most_one_line_is_said(
    neighbours: Neighbours, content: bytes
) -> None:
    neighbours.distribution(content)
    found = find("syncfree")
    assert GOOD_ONE in theirs(found)
    assert len(found.damaged) <= 1
    assert all(f"{whose}: {reason}".isprintable() for whose, reason in found.damaged)
