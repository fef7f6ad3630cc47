"""Plugins in distributions of their own, really installed beside our wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environments import overlay, wheel

from .conftest import Overlay

SOURCES = Path(__file__).parents[1] / "third_party"
DISTRIBUTIONS = ("acme", "broken_import", "wrong_signature", "unknown_hook", "exits")
HOOK = "progress_reporting"
CHOSEN = """
import sys, syncfree
from syncfree._runtime import RUNTIME
choice = RUNTIME.selection().choice("progress_reporting")
names = [found.plugin for found in RUNTIME.plugins().candidates("progress_reporting")]
print(choice.name, choice.source, names, "acme_syncfree" in sys.modules)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    """Our wheel, one good plugin of somebody else, and four broken ones."""
    home = tmp_path_factory.mktemp("third_party") / "overlay"
    overlay("dev", wheel(), *(SOURCES / name for name in DISTRIBUTIONS), directory=home)
    yield Overlay(home)
    shutil.rmtree(home)


def listed(environment: Overlay, **variables: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(environment.run("syncfree", "list", "--json", **variables).stdout)
    return found


def command(environment: Overlay, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A `syncfree` command that may fail."""
    return subprocess.run(
        [environment.home / "bin" / "syncfree", *arguments],
        cwd=environment.home,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_of_another_distribution_is_discovered(environment: Overlay) -> None:
    (acme,) = [found for found in listed(environment)["hooks"][HOOK] if found["plugin"] == "acme"]
    assert acme["distribution"] == "acme-syncfree 1.2"
    assert acme["exact"] is True
    assert acme["host_syncs"] == 0


def test_ours_stays_the_default_and_the_variable_chooses_theirs(environment: Overlay) -> None:
    assert environment.says(CHOSEN) == "default default ['sync_free', 'acme'] True"
    chosen = environment.says(CHOSEN, SYNCFREE_PROGRESS_REPORTING="acme")
    assert chosen == "acme SYNCFREE_PROGRESS_REPORTING ['sync_free', 'acme'] True"


def test_a_denied_plugin_is_not_even_imported(environment: Overlay) -> None:
    assert environment.says(CHOSEN, SYNCFREE_PLUGINS="-acme") == "default default ['sync_free'] False"
    assert {found["plugin"] for found in listed(environment, SYNCFREE_PLUGINS="-acme")["hooks"][HOOK]} == {"sync_free"}


def test_a_plugin_listed_first_is_the_default(environment: Overlay) -> None:
    listed_first = environment.says(CHOSEN, SYNCFREE_PLUGINS="acme,sync_free")
    assert listed_first == "default default ['acme', 'sync_free'] True"


def test_choosing_a_denied_plugin_is_an_error(environment: Overlay) -> None:
    done = command(environment, "list", SYNCFREE_PROGRESS_REPORTING="acme", SYNCFREE_PLUGINS="-acme")
    assert done.returncode == 2
    assert "plugin 'acme' is denied or does not implement progress_reporting" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SYNCFREE_PROGRESS_REPORTING", "acmee"), ("SYNCFREE_PLUGINS", "-acmee"), ("SYNCFREE_PLUGINS", "acmee")],
)
def test_a_typo_suggests_the_installed_plugin(environment: Overlay, variable: str, value: str) -> None:
    done = command(environment, "list", **{variable: value})
    assert done.returncode == 2
    assert "'acmee'" in done.stderr
    assert "did you mean 'acme'?" in done.stderr


def test_the_broken_ones_are_named_with_their_distribution_and_why(environment: Overlay) -> None:
    broken = {(found["name"], found["distribution"]): found["reason"] for found in listed(environment)["broken_plugins"]}
    assert "No module named 'acme_native_library'" in broken["broken", "broken-syncfree 1.2"]
    assert (
        "contract progress_reporting(iterable, total, rank, bar, options)" in broken["signature", "signature-syncfree 1.2"]
    )
    assert (
        "unknown hook 'progres_reporting'; did you mean 'progress_reporting'?" in broken["misspelt", "misspelt-syncfree 1.2"]
    )
    assert broken["exits", "exits-syncfree 1.2"] == "Unprintable: (its text cannot be shown)"
    assert len(broken) == 4


def test_the_broken_ones_do_not_take_the_rest_down(environment: Overlay) -> None:
    hooks = listed(environment)["hooks"]
    assert all({found["plugin"] for found in given} & {"sync_free", "coefficient_table"} for given in hooks.values())


def test_doctor_names_the_broken_ones_and_succeeds(environment: Overlay) -> None:
    report = json.loads(environment.run("syncfree", "doctor", "--json").stdout)
    for distribution in (
        "broken-syncfree 1.2",
        "signature-syncfree 1.2",
        "misspelt-syncfree 1.2",
        "plugin 'exits' of exits-syn",
    ):
        assert any(distribution in note for note in report["notes"])
    assert any("adapter 'dotted' of exits-syncfree 1.2: package is 'dotted.runtime'" in note for note in report["notes"])
    assert report["problems"] == []


def test_a_broken_plugin_that_is_denied_is_not_mentioned(environment: Overlay) -> None:
    found = listed(environment, SYNCFREE_PLUGINS="-broken,-signature,-misspelt,-exits")
    assert found["broken_plugins"] == []


def test_their_implementation_passes_the_test_kit(environment: Overlay) -> None:
    environment.run(
        "python", "-c", "from syncfree.testing import check_implementation as c; c('progress_reporting', 'acme')"
    )
    environment.run(
        "python", "-c", f"from syncfree.testing import check_implementation as c; c('{HOOK}', 'acme_syncfree:{HOOK}')"
    )


def test_damaged_metadata_is_named_and_the_rest_is_there(environment: Overlay) -> None:
    (packages,) = environment.home.glob("lib/*/site-packages")
    damaged = packages / "damaged-1.0.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_bytes(b"\xff")
    (ours,) = packages.glob("syncfree-*.dist-info")
    hidden = ours.rename(packages / "hidden")
    try:
        found = listed(environment)
    finally:
        hidden.rename(ours)
        (damaged / "entry_points.txt").unlink()
        damaged.rmdir()
    broken = {one["distribution"]: one["reason"] for one in found["broken_plugins"]}
    assert "UnicodeDecodeError" in broken["damaged 1.0"]
    (reason,) = [reason for whose, reason in broken.items() if whose.startswith("syncfree ")]
    assert reason.startswith("its metadata is missing")
    assert {"acme", "sync_free"} <= {one["plugin"] for one in found["hooks"][HOOK]}
