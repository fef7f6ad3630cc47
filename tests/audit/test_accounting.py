"""Every process of an audited command is accounted for: what the audit did not reach is named, and no budget is proven."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import syncfree.audit
from syncfree.audit._accounting import unaudited
from syncfree.audit._watch import Program

from .standins import STANDIN, environment, make_library

PACKAGE = Path(syncfree.audit.__file__).parent
WAITS = """
import os, sys, time
sys.path.insert(0, {standin!r})
os.environ["STANDIN_LIBRARY"] = {library!r}
import torch
torch.wait()
time.sleep(0.4)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("library"))


def audit(folder: Path, library: Path, *command: str, **variables: str) -> tuple[int, Any, str]:
    """Status, report and printed text of ``syncfree audit --budget 1``."""
    (folder / "waits.py").write_text(WAITS.format(standin=str(STANDIN), library=str(library)))
    done = subprocess.run(
        [sys.executable, "-m", "syncfree.audit", "--budget", "1", "--json", "report.json", "--", *command],
        cwd=folder,
        env=environment(library, **variables),
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, json.loads((folder / "report.json").read_text()), done.stderr


@pytest.mark.parametrize("flag", ["-I", "-E", "-S", "-Iu"])
def test_a_process_started_with_a_flag_that_keeps_the_audit_out_is_named(flag: str, tmp_path: Path, library: Path) -> None:
    status, report, text = audit(tmp_path, library, "python", flag, "waits.py")
    assert status == 4
    (missed,) = report["unaudited"]
    assert missed["argv"][1:] == [flag, "waits.py"]
    assert missed["reason"] == f"it loaded torch, and nothing else is known about it: it was started with {flag[:2]}"
    assert f"NOT AUDITED, process {missed['pid']}: {missed['reason']}" in text
    assert "1 process(es) not audited, so budget 1 is not proven" in text


def test_without_a_budget_it_is_named_and_the_status_is_the_command_s(tmp_path: Path, library: Path) -> None:
    command = [sys.executable, "-m", "syncfree.audit", "--", "python", "-I", "-c", "import time; time.sleep(0.6)"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(library), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    assert "NOT AUDITED" in done.stderr


def test_a_python_process_without_torch_that_the_audit_did_not_reach_is_named_too(tmp_path: Path, library: Path) -> None:
    status, report, _ = audit(tmp_path, library, "python", "-I", "-c", "import time; time.sleep(0.6)")
    assert status == 4
    assert [missed["reason"] for missed in report["unaudited"]] == ["nothing is known about it: it was started with -I"]


LEAVE = "env -i setsid {python} -I waits.py"
HIDDEN = {
    "a shell": "sh -c '{python} -I waits.py'",
    "a shell that gives its place": "exec {python} -I waits.py",
    "an empty environment": "env -i {python} waits.py",
    "a path of its own": "PYTHONPATH=/nowhere {python} waits.py",
    "a variable that is gone": "unset SYNC_AUDIT_DIRECTORY; {python} waits.py",
    "a daemon of another session with nothing inherited": "(env -i setsid {python} -I waits.py >/dev/null 2>&1 &) ; sleep 0.1",
    "a Python by another name": "cp -H {python} ./harmless; PYTHONHOME={home} ./harmless -I waits.py",
    "a link to a Python": "ln -s {python} ./harmless; ./harmless -I waits.py",
    "the same addresses in every process": "setarch -R {python} waits.py; setarch -R {python} -I waits.py",
    "a numbering of its own": "unshare --pid --fork {python} -I waits.py",
}


@pytest.mark.parametrize("way", HIDDEN)
def test_a_process_that_hides_is_named(way: str, tmp_path: Path, library: Path) -> None:
    command = HIDDEN[way].format(python=sys.executable, home=sys.base_prefix)
    for tool in ("setarch", "unshare"):
        if command.startswith(tool):
            assert shutil.which(tool), f"this test needs {tool}, of util-linux"
    status, report, text = audit(tmp_path, library, "sh", "-c", command)
    assert status == 4, text
    assert [missed["argv"][-1] for missed in report["unaudited"]] == ["waits.py"]
    assert report["unaudited"][0]["reason"].startswith("it loaded torch")


BY_PYTHON = {
    "a worker without the path": "subprocess.run([sys.executable, 'waits.py'], env={'PYTHONPATH': ''})",
    "a worker with a cleared environment": "os.environ.clear(); subprocess.run([sys.executable, 'waits.py'])",
    "a second program in one process": "os.execv(sys.executable, [sys.executable, '-I', 'waits.py'])",
    "a spawned program": "os.posix_spawn(sys.executable, [sys.executable, '-I', 'waits.py'], {}); os.wait()",
    "flags that multiprocessing passes on": (
        "import multiprocessing, runpy; p = multiprocessing.get_context('spawn'); p.set_executable('./isolated'); "
        "p = p.Process(target=runpy.run_path, args=('waits.py',)); p.start(); p.join()"
    ),
}


@pytest.mark.parametrize("way", BY_PYTHON)
def test_a_process_that_an_audited_one_starts_outside_of_the_audit_is_named(way: str, tmp_path: Path, library: Path) -> None:
    (tmp_path / "isolated").write_text(f'#!/bin/sh\nexec {sys.executable} -I "$@"\n')
    (tmp_path / "isolated").chmod(0o755)
    program = (
        f"import os, subprocess, sys\nif __name__ == '__main__':\n    import torch\n    torch.wait()\n    {BY_PYTHON[way]}"
    )
    (tmp_path / "starts.py").write_text(program)
    status, report, text = audit(tmp_path, library, "python", "starts.py")
    assert status == 4, text
    assert report["hard"] == 1
    reasons = [missed["reason"] for missed in report["unaudited"]]
    assert sum(reason.startswith("it loaded torch, and nothing else is known about it") for reason in reasons) == 1, text


AUDITED = {
    "by __import__": "__import__('torch').wait()",
    "by importlib": "import importlib; importlib.import_module('torch').wait()",
    "by _gcd_import": "import importlib; importlib._bootstrap._gcd_import('torch').wait()",
    "by the loader's method": "import importlib; importlib._bootstrap._load(importlib.util.find_spec('torch')).wait()",
    "by a spec": (
        "import importlib.util as u, sys; s = u.find_spec('torch'); m = sys.modules['torch'] = u.module_from_spec(s); "
        "s.loader.exec_module(m); m.wait()"
    ),
    "by a file": (
        "import importlib.util as u, sys; f = u.find_spec('torch').origin; "
        "s = u.spec_from_file_location('torch', f, submodule_search_locations=[f[:-12]]); "
        "m = sys.modules['torch'] = u.module_from_spec(s); s.loader.exec_module(m); m.wait()"
    ),
    "lazily": (
        "import importlib.util as u, sys; s = u.find_spec('torch'); s.loader = u.LazyLoader(s.loader); "
        "m = sys.modules['torch'] = u.module_from_spec(s); s.loader.exec_module(m); m.wait()"
    ),
    "by a finder of its own": (
        "import sys; from importlib.machinery import PathFinder\nclass F:\n def find_spec(self, *a): return PathFinder.find_spec(*a)\n"
        "sys.meta_path.insert(0, F())\nimport torch; torch.wait()"
    ),
    "by another __import__": (
        "import builtins, importlib; builtins.__import__ = importlib.__import__\nimport torch; torch.wait()"
    ),
    "from an archive": (
        "import sys, shutil, os; d = os.path.dirname(os.path.dirname(__import__('importlib').util.find_spec('torch').origin)); "
        "shutil.make_archive('t', 'zip', d); sys.path.insert(0, 't.zip')\nimport torch; torch.wait(); assert 't.zip' in torch.__file__"
    ),
    "in a thread": "import threading; threading.Thread(target=lambda: __import__('torch').wait()).start()",
    "at the second attempt": (
        "import sys; sys.modules['ctypes'] = None\ntry: import torch\nexcept ImportError: pass\n"
        "del sys.modules['ctypes']\nimport torch; torch.wait()"
    ),
    "by a .pth file": "import site; open('a.pth', 'w').write('import torch'); site.addsitedir('.'); __import__('torch').wait()",
    "in an interactive session": "import code; code.InteractiveConsole().push('import torch; torch.wait()')",
    "by another thread's module": (
        "open('user.py', 'w').write('import torch'); import sys; sys.path.insert(0, '.')\nimport user; user.torch.wait()"
    ),
    "under settrace": "import sys; sys.settrace(lambda *a: None)\nimport torch; torch.wait()",
    "without the environment": "import os; os.environ.clear()\nimport torch; torch.wait()",
}


@pytest.mark.parametrize("way", AUDITED)
def test_torch_is_audited_however_it_is_imported(way: str, tmp_path: Path, library: Path) -> None:
    status, report, text = audit(tmp_path, library, "python", "-c", "import importlib.util\n" + AUDITED[way])
    assert (status, report["hard"], report["unaudited"]) == (0, 1, []), text


def test_torch_that_comes_by_a_loader_of_the_program_s_own_is_named(tmp_path: Path, library: Path) -> None:
    program = """
    import importlib.util, sys, time
    class Loader:
        def __init__(self, real): self.real = real
        def create_module(self, spec): return None
        def exec_module(self, module): exec(self.real.get_code("torch"), vars(module))
    spec = importlib.util.find_spec("torch")
    spec.loader = Loader(spec.loader)
    torch = sys.modules["torch"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(torch)
    torch.wait()
    time.sleep(0.5)
    """
    status, report, text = audit(tmp_path, library, "python", "-c", textwrap.dedent(program))
    assert status == 4, text
    assert [missed["reason"] for missed in report["unaudited"]] == ["it loaded torch, but the audit did not begin in it"]


def test_a_python_that_lacks_syncfree_is_named_and_goes_on(tmp_path: Path, library: Path) -> None:
    program = "import sys; sys.modules['syncfree'] = None\nimport torch; torch.wait(); print('went on')"
    status, report, text = audit(tmp_path, library, "python", "-c", program)
    assert status == 4, text
    assert "cannot import syncfree.audit" in report["unaudited"][0]["reason"]


def test_forked_processes_and_others_that_are_not_python_are_not_counted(tmp_path: Path, library: Path) -> None:
    program = """
    import os, subprocess, time
    import torch
    for _ in range(3):
        if os.fork() == 0:
            time.sleep(0.4)
            os._exit(0)
    subprocess.run(["sleep", "0.4"], env={})
    subprocess.run(["sh", "-c", "sleep 0.1; sleep 0.3"], env={})
    """
    status, report, text = audit(tmp_path, library, "python", "-c", textwrap.dedent(program))
    assert (status, report["unaudited"]) == (0, []), text


@pytest.mark.parametrize(("lived", "number"), [(0.2, 0), (0.3, 1)])
def test_a_process_that_ended_too_soon_to_import_torch_is_not_named(lived: float, number: int) -> None:
    program = Program("image", True, 1, ["python", "-V"], {}, is_python=True, lived=lived)
    assert len(unaudited([program], [], [], set(), "folder")) == number
    program.has_torch = True  # it did, however short it was
    assert len(unaudited([program], [], [], set(), "folder")) == 1


def test_what_every_python_of_the_command_runs_is_written_for_old_ones() -> None:
    tree = ast.parse((PACKAGE / "_inject" / "sitecustomize.py").read_text(), feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal)
    assert [node for node in ast.walk(tree) if isinstance(node, newer) or getattr(node, "annotation", None)] == []
    assert {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} == {
        "os", "sys", "threading", "sitecustomize"
    }  # fmt: skip


def test_forked_processes_of_a_numbering_of_their_own_are_audited(tmp_path: Path, library: Path) -> None:
    status, report, text = audit(tmp_path, library, "unshare", "--pid", "--fork", sys.executable, "waits.py")
    assert (status, report["hard"], report["unaudited"]) == (0, 1, []), text


def test_a_process_that_outlives_the_command_is_named(tmp_path: Path, library: Path) -> None:
    program = """
    import subprocess, sys
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"]).pid)
    """
    status, report, text = audit(tmp_path, library, "python", "-c", textwrap.dedent(program))
    assert status == 4, text
    assert [missed["reason"].partition(";")[0] for missed in report["unaudited"]] == [
        "it was still running when the command had ended"
    ]
