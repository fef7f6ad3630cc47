"""Fixtures of the hostile situations, and the tally of the whole run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .installation import Installation
from .tally import Collected, Tally, write_record

GOAL = 600
_COLLECTED = pytest.StashKey[Collected]()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that nobody changes."""
    return Installation(tmp_path_factory.mktemp("installation") / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for one situation, removed afterwards: hundreds of them would fill the disk."""
    yield tmp_path / "folder"
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def private(tmp_path: Path) -> Installation:
    """An installation that the situation may spoil."""
    return Installation(tmp_path / "home")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Where a test says what became of its situations; the family is its module's ``FAMILY``."""
    made = Tally(request.module.FAMILY, request.module.__doc__.splitlines()[0])
    yield made
    request.node.user_properties += made.properties()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what writes the record that docs/hostile.md is made of."""
    parser.addoption("--record", action="store_true", help="write what became of the situations for docs/hostile.md")


def pytest_configure(config: pytest.Config) -> None:
    """Collect what the tests say, in the process that the reports come to."""
    if not hasattr(config, "workerinput"):
        config.stash[_COLLECTED] = collected = Collected()
        config.pluginmanager.register(collected, "hostile-collected")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tally; write it when asked to."""
    collected = config.stash.get(_COLLECTED, None)
    if collected is None or not collected.said:
        return
    terminalreporter.section("hostile situations")
    for line in collected.lines():
        terminalreporter.line(line)
    if config.getoption("--record", False):
        write_record(collected.rows())


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a whole run that tried fewer situations than is promised."""
    collected = session.config.stash.get(_COLLECTED, None)
    whole = not session.config.getoption("keyword") and session.config.args == ["tests/hostile"]
    if collected is not None and whole and exitstatus == 0 and len(collected.said) < GOAL:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
