"""The pytest hooks of a run that checks a plugin: they add its tests, and print and write the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ._checks import CHECKS
from ._items import PROPERTY, Run
from ._process import Settings
from ._report import lines_of

_LONGEST_LIMIT = 86_400


class Checking:
    """Adds the tests of one plugin; where no tests were named on the command line, they are the only ones."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        limit, examples = config.getoption("syncfree_check_limit"), config.getoption("syncfree_check_examples")
        if not 0 < limit <= _LONGEST_LIMIT or examples < 1:
            raise pytest.UsageError(
                f"--syncfree-check-limit is a number of seconds above 0, up to {_LONGEST_LIMIT}, --syncfree-check-examples from 1 on"
            )
        json_file = config.getoption("syncfree_check_json")
        if json_file and (Path(json_file).is_dir() or not Path(json_file).absolute().parent.is_dir()):
            raise pytest.UsageError(f"--syncfree-check-json {json_file}: give a file in a folder that exists")
        if not config.getoption("syncfree_check").strip():
            raise pytest.UsageError("--syncfree-check is empty: give a plugin's name, or package.module:object")
        folder = config.invocation_params.dir
        self._run = Run(Settings(config.getoption("syncfree_check"), limit, examples, folder))
        self._records: list[dict[str, Any]] = []
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the tests, before options such as ``-k`` select some."""
        items.extend(self._run.items(session))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what was found; under xdist, the reports of the workers come here, too."""
        if report.when == "call":
            self._records += [dict(value) for name, value in report.user_properties if name == PROPERTY and isinstance(value, dict)]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print one row per hook, and write the JSON file."""
        terminalreporter.section(f"syncfree: checks of {self._config.getoption('syncfree_check')}")
        for line in lines_of(self._records):
            terminalreporter.write_line(line)
        path = self._config.getoption("syncfree_check_json")
        if path:
            means = {name: check.means for name, check in CHECKS.items()}
            found = {"plugin": self._config.getoption("syncfree_check"), "checks": means, "found": self._records}
            try:
                Path(path).write_text(json.dumps(found, indent=1) + "\n")
            except OSError as error:
                raise pytest.UsageError(f"--syncfree-check-json {path} cannot be written: {error.strerror}") from error

    def pytest_unconfigure(self) -> None:
        """End the processes."""
        self._run.close()
