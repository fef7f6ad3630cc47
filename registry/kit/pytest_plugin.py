"""The pytest plugin: ``pytest --syncfree-check PLUGIN`` checks every hook of a plugin. Loading it imports nothing heavy."""

from __future__ import annotations

import pytest

RUN: list[object] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("syncfree plugins")
    group.addoption(
        "--syncfree-check",
        metavar="PLUGIN",
        help="check every hook of a plugin: an installed one's name, or package.module:object; see docs/kit.md",
    )
    group.addoption("--syncfree-check-json", metavar="FILE", help="also write what was found there, as JSON")
    group.addoption(
        "--syncfree-check-limit", metavar="SECONDS", type=float, default=20.0, help="time that one call may take (20)"
    )
    group.addoption(
        "--syncfree-check-examples", metavar="N", type=int, default=50, help="calls that each check generates (50)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest, where a plugin is to be checked."""
    if config.getoption("syncfree_check") is not None:
        from . import _session

        config.pluginmanager.register(_session.Checking(config), "syncfree_checking")
