"""A fingerprint is the same under every Python: those on PATH, those of pyenv, and the one that runs the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import syncfree

PACKAGE = Path(syncfree.__file__).parent
TRICKY = '''\
class Sampler:
    @decorated(f"{'a'!r}" if 0 else 'b')
    def gather(self, x=f"é {1:>{2}} —", *, y="""—
é"""):
        """A docstring — of several lines,
        é."""
        text = f"""— {x:>{len(y)}} é
        {{literal}} {x!r} — {y}
        é"""
        text += f'{x}' f"—{f'{y} é'}" rf"\\d{x}é"
        return text, "—", b"bytes", 0x1F, 1_000.5e-3  # é

    async def other(self, /, *args, **kw):
        async with self as é, open(
            "—"
        ) as µ:
            yield [é async for é in µ if (b := é)]


def misplaced():
    """3.12.1 misplaces the end of
    é — this"""
    return 1
'''

READ = """
import ast, json, sys
sys.path.insert(0, sys.argv[1])
from syncfree.fingerprints._fingerprint import fingerprint
def names(scope, prefix=""):
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from names(node, prefix + node.name + ".")
found = {}
for file in sys.argv[2:]:
    text = open(file, encoding="utf-8").read()
    for name in names(ast.parse(text)):
        record = fingerprint(text, name)
        found[file + ":" + name] = [record.signature, record.fingerprint]
print(json.dumps(found))
"""


def pythons() -> dict[str, str]:
    """Executables by version: every Python that syncfree supports and that can be found, one of each minor version."""
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"), Path.home() / ".local/share/uv/python"]
    folders += [folder for root in roots for folder in sorted(root.glob("versions/*/bin")) + sorted(root.glob("*/bin"))]
    found = {_minor(sys.executable): sys.executable}
    for folder in folders:
        for file in sorted(folder.glob("python3*")):
            if file.name.removeprefix("python3").removeprefix(".").isdecimal() or file.name == "python3":
                found.setdefault(_minor(str(file)), str(file))
    return {version: path for version, path in found.items() if (3, 10) <= tuple(map(int, version.split("."))) < (4,)}


def _minor(executable: str) -> str:
    """``3.12``; ``0.0`` of what does not start, such as a pyenv shim of a version that is not selected."""
    ask = [executable, "-S", "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "0.0"


def test_every_python_finds_the_same_fingerprints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path/syncfree").symlink_to(PACKAGE)
    (tmp_path / "tricky.py").write_text(TRICKY, "utf-8")
    files = [str(tmp_path / "tricky.py"), *map(str, sorted(PACKAGE.rglob("*.py")))]
    found = {}
    for version, executable in pythons().items():
        command = [executable, "-S", "-c", READ, str(tmp_path / "path"), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"Python {version}: {done.stderr}"
        found[version] = json.loads(done.stdout)
    with capsys.disabled():
        print(f" (Python {', '.join(sorted(found, key=lambda v: int(v.split('.')[1])))})", end="")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert any(name.endswith("tricky.py:Sampler.gather") for name in found[here])
    for version, records in found.items():
        differ = [name for name in found[here] if records.get(name) != found[here][name]]
        assert not differ, f"Python {version} and {here} differ in {differ}"
