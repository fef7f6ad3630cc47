"""The process in which audited tests run: installs the simulated or the dry-run device, then serves the parent's requests."""

from __future__ import annotations

import json
import os
from typing import IO, Any

import pytest
from _pytest.config import Config

from . import dry_run, simulated
from ._errors import AuditError


def main(commands: int, answers: int) -> None:
    """Serve requests on two file descriptors until the parent closes its end."""
    os.set_inheritable(commands, False)
    os.set_inheritable(answers, False)
    child = _Child(os.fdopen(commands), os.fdopen(answers, "w"))
    start = json.loads(child.commands.readline())
    try:
        if start["options"].get("sync_backend") == "dry-run":
            dry_run.install()
        else:
            simulated.install()
    except AuditError as error:
        child.refuse(str(error))
        return
    config = Config.fromdictargs(start["options"], start["args"])
    # In a process with workerinput, pytest's own plugins write no caches and result files.
    config.workerinput = {"audit_process": True, "workerid": "audit"}  # type: ignore[attr-defined]
    config.pluginmanager.register(child, "syncfree_audit_child")
    config.hook.pytest_cmdline_main(config=config)


class _Child:
    """A plugin that replaces pytest's test loop by one that serves requests."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self.commands = commands
        self._answers = answers
        self._problems: list[str] = []

    def refuse(self, reason: str) -> None:
        """Answer every request with one sentence."""
        for _ in self.commands:
            self._send(failed=reason)

    def _send(self, **message: Any) -> None:
        self._answers.write(json.dumps(message) + "\n")
        self._answers.flush()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._problems.append(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        self._send(failed=f"pytest failed in the audit process: {excrepr}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        config = self._config
        self._send(report=config.hook.pytest_report_to_serializable(config=config, report=report))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._config = session.config
        items = {item.nodeid: item for item in session.items}
        expected: pytest.Item | None = None
        for line in self.commands:
            request = json.loads(line)
            item = items.get(request["run"])
            if item is None:
                problem = "\n".join(self._problems) or "no test has this name"
                self._send(failed=f"the audit process could not collect {request['run']}:\n{problem}")
                continue
            if expected is not None and expected is not item:
                session._setupstate.teardown_exact(None)
            expected = items.get(request["next"])
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=expected)
            self._send(done=True)
        session._setupstate.teardown_exact(None)
        return True

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._config = session.config
