"""The parent's side of the process in which audited tests run.

The child gets the same options as this run, collects the audited tests once, and runs them one at a time on request.
Messages are lines of JSON on two pipes.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

_CHILD = "audit_process"
_NOT_IN_CHILD = ("terminalreporter", "xdist", "xdist.looponfail", "pytest_cov")
# Warnings about the configuration come from this process only. In the child some options have no plugin, and this package
# is imported before pytest could rewrite it.
_SAID_HERE = ("ignore::pytest.PytestConfigWarning", "ignore::pytest.PytestAssertRewriteWarning")


def is_audit_process(config: pytest.Config) -> bool:
    """Return whether this is the child."""
    return bool(getattr(config, "workerinput", {}).get(_CHILD))


def torch_has_gpu() -> bool:
    """Return whether torch can use a GPU. Imports torch only if it was built for CUDA and a driver is installed."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    if version.exists() and re.search(r"^cuda\b.*=\s*None\s*$", version.read_text(), re.MULTILINE):
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


class AuditProcess:
    """One child process; started again for the next test after it died."""

    def __init__(self, config: pytest.Config, nodeids: list[str]) -> None:
        self._config = config
        self._nodeids = nodeids
        self._process: subprocess.Popen[bytes] | None = None
        self._to_child: IO[str]
        self._from_child: IO[str]

    def run(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Run one test and yield its reports: setup, call and teardown, or one with the reason why it could not run."""
        if self._process is None:
            self._start()
        try:
            self._to_child.write(json.dumps({"run": item.nodeid, "next": self._next(item)}) + "\n")
            self._to_child.flush()
        except BrokenPipeError:
            pass  # it refused to start or died: its last message or exit status follows
        while line := self._from_child.readline():
            message = json.loads(line)
            if "report" in message:
                report = self._config.hook.pytest_report_from_serializable(config=self._config, data=message["report"])
                yield report
            elif "failed" in message:
                yield _failure(item, message["failed"])
                return
            else:
                return
        yield _failure(item, f"the audit process ended with {self._end()} while this test ran")

    def close(self) -> None:
        """Let the child tear its fixtures down and end."""
        if self._process is not None:
            self._end()

    def _next(self, item: pytest.Item) -> str | None:
        """Return the next audited test of this process; None under xdist, which distributes tests."""
        if hasattr(self._config, "workerinput"):
            return None
        after = self._nodeids.index(item.nodeid) + 1
        return self._nodeids[after] if after < len(self._nodeids) else None

    def _start(self) -> None:
        commands, to_child = os.pipe()
        from_child, answers = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(commands), str(answers), json.dumps(sys.path)],
            pass_fds=(commands, answers),
            cwd=self._config.invocation_params.dir,
        )
        os.close(commands)
        os.close(answers)
        self._to_child = os.fdopen(to_child, "w")
        self._from_child = os.fdopen(from_child)
        root = self._config.rootpath
        # Whole files: pytest aborts when one of the tests given by name cannot be collected.
        files = dict.fromkeys(str(root / nodeid.partition("::")[0]) for nodeid in self._nodeids)
        start = {"options": _options(self._config), "args": list(files)}
        self._to_child.write(json.dumps(start) + "\n")
        self._to_child.flush()

    def _end(self) -> str:
        """Wait for the child and return how it ended."""
        assert self._process is not None
        for pipe in (self._to_child, self._from_child):
            with contextlib.suppress(BrokenPipeError):  # the unwritten rest was for a process that has ended
                pipe.close()
        status = self._process.wait()
        self._process = None
        return f"signal {-status}" if status < 0 else f"status {status}"


# sys.path first, so that the child finds this package and the tests' imports where the parent does.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from syncfree.audit._pytest_child import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def _options(config: pytest.Config) -> dict[str, Any]:
    """Return this run's options, as far as they are plain data, without the plugins that print reports."""
    options = {name: value for name, value in vars(config.option).items() if _is_plain(value)}
    options["plugins"] = [*options.get("plugins", []), *(f"no:{name}" for name in _NOT_IN_CHILD)]
    options["inifilename"] = str(config.inipath) if config.inipath else None
    options["rootdir"] = str(config.rootpath)
    options["pythonwarnings"] = [*(options.get("pythonwarnings") or []), *_SAID_HERE]
    options["override_ini"] = [*(options.get("override_ini") or []), "strict_config=false"]
    options["strict_config"] = False
    options["usepdb"] = False
    options.pop("file_or_dir", None)
    if options.get("basetemp"):
        ours = Path(options["basetemp"])  # shared, it would be emptied when this process creates its own
        options["basetemp"] = str(ours.with_name(f"{ours.name}-audited"))
    return options


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, (str, int, float))


def _failure(item: pytest.Item, text: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=text,
        when="call",
    )
