"""The tests of ``pytest --syncfree-check``: one per hook and check, and what they print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from ._checks import CHECKS, Place
from ._process import Process, Settings

PROPERTY = "syncfree_check"
WIDTH = 78


class CheckFailed(Exception):
    """A check failed; the message is the whole report of it."""


class Run:
    """The processes of one run of pytest, and the outcomes so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._processes = {where: Process(settings, where) for where in get_args(Place)}
        self._outcomes: dict[tuple[str, str], str] = {}

    def items(self, session: pytest.Session) -> Iterator[CheckItem]:
        """Yield the tests of the plugin; the one that fails with the reason where it cannot be imported."""
        listed = self._processes["host"].ask({})
        if "hooks" not in listed:
            yield CheckItem.of(session, self, "plugin", "loads", listed)
            return
        for hook, inapplicable in listed["hooks"].items():
            yield from (CheckItem.of(session, self, hook, check) for check in CHECKS if check not in inapplicable)

    def outcome(self, hook: str, check: str) -> dict[str, Any]:
        """Run a check, unless one that it depends on has failed."""
        failed = [name for name in CHECKS[check].after if self._outcomes.get((hook, name)) == "failed"]
        if failed:
            answer = {"outcome": "skipped", "problem": f"not run: {failed[0]} failed"}
        else:
            answer = self._processes[CHECKS[check].where].ask({"hook": hook, "check": check})
        self._outcomes[hook, check] = answer["outcome"]
        return answer

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.close()


class CheckItem(pytest.Item):
    """One check of one hook."""

    run_: Run
    hook: str
    check: str
    known: dict[str, Any] | None

    @classmethod
    def of(cls, session: pytest.Session, run: Run, hook: str, check: str, known: dict[str, Any] | None = None) -> CheckItem:
        """Make a test; ``known`` is its outcome where that is known already."""
        name = f"{run.settings.plugin.partition(':')[0].rpartition('.')[2]}::{hook}::{check}"
        item: CheckItem = cls.from_parent(session, name=name, nodeid=name)
        item.run_, item.hook, item.check, item.known = run, hook, check, known
        return item

    def runtest(self) -> None:
        """Run the check.

        Raises:
            CheckFailed: it failed.
        """
        answer = self.known or self.run_.outcome(self.hook, self.check)
        record = {"plugin": self.run_.settings.plugin, "hook": self.hook, "check": self.check, **answer}
        self.user_properties.append((PROPERTY, record))
        if answer["outcome"] == "skipped":
            pytest.skip(answer["problem"])
        if answer["outcome"] == "failed":
            raise CheckFailed(failure_text(record))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the report alone: the traceback of this process shows nothing."""
        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, None, str]:
        """Return where the test is: nowhere in a file, so its name says all."""
        return self.path, None, self.nodeid


def failure_text(record: dict[str, Any]) -> str:
    """Return a failure as text of at most 80 columns, apart from long words."""
    check = CHECKS.get(record["check"])
    lines = [f"{record['plugin']}: {record['hook']}: {record['check']} failed"]
    if check is not None:
        lines.append(f"expected: {check.means}")
    lines += [f"found: {record['problem']}"]
    wrapped = [part for line in "\n".join(lines).split("\n") for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ") or [""]]
    arguments = record.get("arguments")
    if arguments:
        wrapped.append("smallest arguments that show it:")
        wrapped += [f"  {name} = {value}" for name, value in arguments.items()]
    return "\n".join(wrapped)
