"""The tally of a run: for each family of situations how many were tried, held and refused, and an example of a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

RECORD = Path(__file__).parent / "record.json"
PROPERTY = "hostile situation"
_PATH = re.compile(r"(?:/[^\s:'\"/]+){2,}/([^\s:'\"/]+)")
_PORT = re.compile(r"127\.0\.0\.1:\d+(?:/\d+)?")


class Tally:
    """What one test says about its situations; `what` says what the family is."""

    def __init__(self, family: str, what: str) -> None:
        self._family = family
        self._what = what
        self._messages: list[str | None] = []

    def held(self, times: int = 1) -> None:
        """The result was as without us, or as documented."""
        self._messages += [None] * times

    def refused(self, message: str) -> None:
        """It was refused, with this message."""
        self._messages.append(message)

    def properties(self) -> list[tuple[str, object]]:
        """Return what the test's report carries to the process that collects them."""
        return [(PROPERTY, {"family": self._family, "what": self._what, "message": message}) for message in self._messages]


@dataclass
class Row:
    """One family of a finished run."""

    what: str = ""
    tried: int = 0
    held: int = 0
    messages: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Return how many were refused."""
        return self.tried - self.held


class Collected:
    """A plugin of pytest that collects what passed tests said."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self._passed: set[str] = set()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test said when both its call and its teardown passed."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        elif report.when == "teardown" and report.passed and report.nodeid in self._passed:
            self.said += [value for name, value in report.user_properties if name == PROPERTY]  # type: ignore[misc]

    def rows(self) -> dict[str, Row]:
        """The rows of the table, by family."""
        found: dict[str, Row] = {}
        for one in sorted(self.said, key=lambda one: (one["family"], one["message"] or "")):
            row = found.setdefault(one["family"], Row())
            row.what = one["what"]
            row.tried += 1
            row.held += one["message"] is None
            row.messages += [] if one["message"] is None else [one["message"]]
        return found

    def lines(self) -> Iterator[str]:
        """The table for a terminal."""
        rows = self.rows()
        for family, row in rows.items():
            yield f"{family:40} tried {row.tried:4}  held {row.held:4}  refused {row.refused:4}"
        tried, held = sum(row.tried for row in rows.values()), sum(row.held for row in rows.values())
        yield f"{'all':40} tried {tried:4}  held {held:4}  refused {tried - held:4}"


def write_record(rows: Mapping[str, Row]) -> None:
    """Write the figures of a run, with one message of each family, for the page."""
    shown = {
        family: {
            "what": row.what,
            "tried": row.tried,
            "held": row.held,
            "refused": row.refused,
            "message": example(row.messages),
        }
        for family, row in rows.items()
    }
    RECORD.write_text(json.dumps(shown, indent=1) + "\n", "utf-8")


def example(messages: list[str]) -> str:
    """The first message of a readable length, without the paths and ports of the machine that it was written on."""
    plain = sorted({_PORT.sub("localhost:8000", _PATH.sub(r".../\1", message)) for message in messages})
    readable = [message for message in plain if 60 <= len(message) <= 240]
    return (readable or plain or [""])[0]
