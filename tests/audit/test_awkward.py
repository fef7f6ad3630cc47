"""A program under audit behaves as without: each program of the folder `awkward` is run both ways.

Compared are what it prints, its exit status, and the files that it makes. Its first lines say how many waits the report must
hold, and how many processes it must name as not audited.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .standins import STANDIN, environment, make_library

PROGRAMS = sorted(Path(__file__).with_name("awkward").glob("*.py"))


Text = str | bytes
Command = list[Text]


@dataclass(frozen=True)
class Behaviour:
    """The result of one run of a program."""

    printed: bytes
    errors: str
    status: int
    files: dict[str, tuple[int, bytes]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("library"))


def behaviour(command: Command, folder: Path, variables: dict[Text, Text], files: dict[str, str]) -> Behaviour:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    folder.mkdir(exist_ok=True)
    done = subprocess.run(command, cwd=folder, env=variables, input=b"a line\nand more", capture_output=True, timeout=100)
    if (folder / "waiting").exists():
        (folder / "go").touch()
        end = time.monotonic() + 30
        while not (folder / "done").exists() and time.monotonic() < end:
            time.sleep(0.01)
    errors = done.stderr.decode(errors="surrogateescape").partition("syncfree audit: ")[0]
    files = {path.name: (path.stat().st_mode, content_of(path)) for path in folder.rglob("*")}
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Behaviour(done.stdout, re.sub(r"0x[0-9a-f]+|pid=\d+", "", errors), status, files)


def content_of(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and path.suffix != ".pyc" else b""


def both_ways(
    folder: Path, command: Command, variables: dict[Text, Text], files: dict[str, str]
) -> tuple[Behaviour, Behaviour, Any]:
    """Behaviour without and with the audit, and the report."""
    report = folder / "report.json"
    plain = behaviour(command, folder / "work", variables, files)
    command = [sys.executable, "-B", "-E", "-m", "syncfree.audit", "--json", str(report), "--", *command]
    audited = behaviour(command, folder / "work", variables, files)
    return plain, audited, json.loads(report.read_text())


def promised(program: Path, what: str) -> int | None:
    found = re.search(rf"^# {what}: (\d+)$", program.read_text(), re.MULTILINE)
    return int(found[1]) if found else None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_behaves_as_without_the_audit(program: Path, tmp_path: Path, library: Path) -> None:
    plain, audited, report = both_ways(tmp_path, [sys.executable, str(program)], environment(library), {})
    assert audited == plain
    if (waits := promised(program, "waits")) is not None:
        assert report["hard"] == waits
    assert len(report["unaudited"]) == (promised(program, "not audited") or 0), report["unaudited"]


LOOK = """
import sys
print(__name__, globals().get("__file__"), sys.argv, sys.path, sys.flags, len(sys.meta_path))
print("torch" in sys.modules or sorted(sys.modules))
import torch
torch.wait()
import os
names = ("PYTHONPATH", "SYNC_AUDIT_DIRECTORY", "SYNC_AUDIT_BACKEND")
print(sorted((name, value) for name, value in os.environb.items() if os.fsdecode(name) not in names))
"""
WAYS: dict[str, tuple[list[Text], dict[Text, Text]]] = {
    "a program given as text": (["-c", LOOK, "argument"], {}),
    "a script": (["look.py", "argument"], {}),
    "a script elsewhere": (["below/look.py"], {}),
    "a module": (["-m", "look", "argument"], {}),
    "a package": (["-m", "below", "argument"], {}),
    "a folder": (["below"], {}),
    "an archive": (["archive.pyz"], {}),
    "unbuffered": (["-u", "look.py"], {}),
    "optimized": (["-OO", "look.py"], {}),
    "without user packages": (["-s", "look.py"], {}),
    "development mode": (["-X", "dev", "look.py"], {}),
    "warnings are errors": (["-W", "error", "look.py"], {}),
    "bytes warnings are errors": (["-bb", "look.py"], {}),
    "arguments that are not UTF-8": (["look.py", b"\xff\xfe", b"a\nb", "", " "], {}),
    "variables that are not UTF-8": (["look.py"], {b"ODD": b"\xff", b"\xfe": b"odd"}),
    "the C locale": (["look.py", b"\xc3\xa9"], {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    "a relative path": (["look.py"], {"PYTHONPATH": f"below:{STANDIN}"}),
    "a path with empty entries": (["look.py"], {"PYTHONPATH": f":{STANDIN}::"}),
    "a safe path": (["look.py"], {"PYTHONSAFEPATH": "1"}),
    "warnings of the environment": (["look.py"], {"PYTHONWARNINGS": "error"}),
    "a seed for hashes": (["look.py"], {"PYTHONHASHSEED": "7"}),
    "a sitecustomize": (["look.py"], {"PYTHONPATH": f"site:{STANDIN}", "SAYS": "print('mine', __file__, __name__)"}),
    "a sitecustomize that raises": (["look.py"], {"PYTHONPATH": f"site:{STANDIN}", "SAYS": "1/0"}),
    "a sitecustomize that lacks a module": (["look.py"], {"PYTHONPATH": f"site:{STANDIN}", "SAYS": "import nothing"}),
    "a sitecustomize that imports torch": (["look.py"], {"PYTHONPATH": f"site:{STANDIN}", "SAYS": "import torch"}),
    "a sitecustomize that changes the path": (
        ["look.py"], {"PYTHONPATH": f"site:{STANDIN}", "SAYS": "import sys; sys.path.append('/nowhere')"}
    ),
}  # fmt: skip

if sys.version_info >= (3, 11):
    WAYS["without the script's folder"] = ["-P", "look.py"], {}


@pytest.mark.parametrize("way", WAYS)
def test_a_program_started_in_any_way_finds_what_it_finds_without_the_audit(way: str, tmp_path: Path, library: Path) -> None:
    arguments, variables = WAYS[way]
    files = {
        "look.py": LOOK,
        "below/look.py": LOOK,
        "below/__init__.py": "",
        "below/__main__.py": LOOK,
        "site/sitecustomize.py": "import os; exec(os.environ['SAYS'])",
    }
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", LOOK)
    arguments = [str(tmp_path / "archive.pyz") if part == "archive.pyz" else part for part in arguments]
    plain, audited, report = both_ways(tmp_path, [sys.executable, *arguments], environment(library) | variables, files)
    assert audited == plain
    assert report["hard"] == 1
    assert report["unaudited"] == []
