"""Fixtures and options of every test of the project."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# No deadline: on a busy machine one example can take a second for no reason of its own.
settings.register_profile("syncfree", deadline=None)
settings.load_profile("syncfree")

# A shell without job control starts what it runs in the background with SIGINT ignored, and every process started from here
# would inherit that, the ones that a test interrupts included.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the nox session `sweep` asks for."""
    parser.addoption(
        "--sweep", action="store_true", help="more releases and combinations, where a test takes a sample of them"
    )
