"""Environments in which somebody's files, or ours, are broken, missing, or called like ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from . import judging
from .children import Ended, run
from .installation import Installation
from .tally import Tally

FAMILY = "broken site-packages"
PROGRAM = "import hostile_child; hostile_child.imported_and_probed()"
IMPORTED = """
import hostile_child
hostile_child.write(errors=[hostile_child.caught(hostile_child.import_framework)])
"""
ENTRY_POINTS = {
    "no equals sign": b"[syncfree]\nbroken\n",
    "no section": b"broken = broken_module\n",
    "unclosed section": b"[syncfree\nbroken = x\n",
    "not UTF-8": b"[syncfree]\nbr\xff\xfeken = x\n",
    "empty value": b"[syncfree]\nbroken =\n",
    "empty name": b"[syncfree]\n= x\n",
    "spaces": b"[syncfree]\nbroken = a b c\n",
    "a bracket": b"[syncfree]\nbroken = x [\n",
    "colons": b"[syncfree]\nbroken = a:b:c\n",
    "a dash": b"[syncfree]\nbro-ken = os\n",
    "null bytes": b"\0" * 50,
    "binary": bytes(range(256)),
    "a dotted module": b"[syncfree]\nbroken = .relative.module\n",
    "reserved": b"[syncfree]\nupstream = os\n",
    "our name": b"[syncfree]\nsync_free = os\n",
    "twice": b"[syncfree]\nbroken = os\nbroken = sys\n",
    "adapters": b"[syncfree.adapters]\nbroken = os\n",
    "adapters without object": b"[syncfree.adapters]\nbroken\n",
    "our adapter's name": b"[syncfree.adapters]\ndiffusers = os:path\n",
    "byte order mark": b"\xef\xbb\xbf[syncfree]\nbroken = os\n",
    "huge": b"[other]\n" + b"x = y\n" * 20_000,
    "unicode": "[syncfree]\n\u00fc\u0308 = os\n".encode(),
    "comment": b"[syncfree]\n# broken = os\n; broken = os\n",
    "escape": b"[syncfree]\n\x1b[31mred = os\n",
}
METADATA = {
    "not UTF-8": b"Metadata-Version: 2.1\nName: f\xe9reign\nVersion: 1.0\n",
    "empty": b"",
    "no name": b"Metadata-Version: 2.1\nVersion: 1.0\n",
    "no version": b"Metadata-Version: 2.1\nName: foreign\n",
    "binary": bytes(range(256)),
    "odd version": b"Metadata-Version: 2.1\nName: foreign\nVersion: banana\n",
    "newlines": b"\n\n\nName: foreign\n",
    "brackets": b"Metadata-Version: 2.1\nName: [bold]foreign\nVersion: 1.0\n",
}


def judged(ended: Ended, tally: Tally) -> None:
    """The framework works, with everything of ours bound, and one line for what was left out."""
    facts = judging.imported(ended)
    judging.by_default(facts)
    assert ended.code == 0, str(ended)
    for line in facts["broken"]:
        assert len(line) < 5000, line
        assert line.isprintable(), repr(line)
        assert line[:40] in ended.err, f"only the plan says: {line}"
    tally.refused(facts["broken"][0]) if facts["broken"] else tally.held()


@pytest.mark.parametrize("what", ENTRY_POINTS)
def test_a_foreign_entry_points_file(what: str, private: Installation, folder: Path, tally: Tally) -> None:
    private.distribution("foreign", {})
    private.add({"foreign-1.0.dist-info/entry_points.txt": ENTRY_POINTS[what]})
    judged(run(private, folder, PROGRAM), tally)


@pytest.mark.parametrize("plugin", [False, True])
@pytest.mark.parametrize("what", METADATA)
def test_foreign_metadata(what: str, plugin: bool, private: Installation, folder: Path, tally: Tally) -> None:
    private.distribution("foreign", {"syncfree": ["foreign = acme"]} if plugin else {})
    private.add({"foreign-1.0.dist-info/METADATA": METADATA[what]})
    judged(run(private, folder, PROGRAM), tally)


def _remove(name: str) -> Callable[[Installation], None]:
    return lambda private: private.remove(name)


def _ours(private: Installation) -> str:
    return private.metadata.name


ENTRIES: dict[str, Callable[[Installation], object]] = {
    "no METADATA of a foreign one": lambda p: (
        p.distribution("foreign", {}),
        (p.site / "foreign-1.0.dist-info/METADATA").unlink(),
    ),
    "a file called .dist-info": lambda p: p.add({"foreign-1.0.dist-info": "not a folder"}),
    "an empty .dist-info": lambda p: (p.site / "foreign-1.0.dist-info").mkdir(),
    "a dangling .dist-info": lambda p: (p.site / "foreign-1.0.dist-info").symlink_to("nowhere"),
    "a looping .dist-info": lambda p: (p.site / "foreign-1.0.dist-info").symlink_to("foreign-1.0.dist-info"),
    "an egg-info file": lambda p: p.add({"foreign-1.0.egg-info": "Name: foreign\nVersion: 1.0\n"}),
    "an egg-info of a broken plugin": lambda p: p.add(
        {"foreign.egg-info/entry_points.txt": "[syncfree\n", "foreign.egg-info/PKG-INFO": "Name: foreign"}
    ),
    "an egg": lambda p: p.add({"foreign-1.0-py3.egg": b"PK\x03\x04 not a zip"}),
    "a .pth that raises": lambda p: p.add({"a_foreign.pth": "import sys; raise ValueError('no')\n"}),
    "a .pth that imports the framework": lambda p: p.add({"a_foreign.pth": "import diffusers\n"}),
    "a later .pth that imports it": lambda p: p.add({"z_foreign.pth": "import diffusers\n"}),
    "a .pth that imports us": lambda p: p.add({"a_foreign.pth": "import syncfree; syncfree.plan()\n"}),
    "a sitecustomize that raises": lambda p: p.add({"sitecustomize.py": "raise ValueError('no')\n"}),
    "a sitecustomize that imports the framework": lambda p: p.add({"sitecustomize.py": "import diffusers\n"}),
    "a usercustomize that plans": lambda p: p.add({"usercustomize.py": "import syncfree; syncfree.plan()\n"}),
    "the framework's metadata twice": lambda p: p.distribution("diffusers", {}, "9.1.post1"),
    "no RECORD of ours": lambda p: (p.metadata / "RECORD").unlink(),
    "no torch, but a folder of that name": lambda p: (p.site / "torch").mkdir(),
    "a torch that raises": lambda p: p.add(
        {"torch/__init__.py": "raise OSError('libcudnn.so.9: cannot open shared object file')"}
    ),
    "a triton that exits": lambda p: p.add({"triton.py": "import sys; sys.exit('no GPU')"}),
    "a vllm that is a file": lambda p: p.add({"vllm.py": "x = 1"}),
    "a namespace called sglang": lambda p: (p.site / "sglang" / "multimodal_gen").mkdir(parents=True),
    "modules called like our folders": lambda p: p.add(
        {f"{n}.py": "raise ValueError('not yours')" for n in ("registry", "plugins", "adapters", "hooks")}
    ),
    "an unreadable folder on the path": lambda p: (p.site / "locked").mkdir(mode=0),
    "stale bytecode": lambda p: p.add({"__pycache__/acme.cpython-311.pyc": b"\x00" * 100}),
}


@pytest.mark.parametrize("what", ENTRIES)
def test_an_odd_entry(what: str, private: Installation, folder: Path, tally: Tally) -> None:
    ENTRIES[what](private)
    if "torch" in what:  # what needs torch is bound then, and cannot be called with the arguments of the probe
        facts = judging.alive(run(private, folder, IMPORTED))
        assert facts["errors"] == [None], facts
        tally.held()
        return
    ended = run(private, folder, PROGRAM)
    facts = judging.imported(ended)
    assert ended.code == 0, str(ended)
    if not any(word in what for word in ("metadata twice", "framework")):
        judging.by_default(facts)
    tally.refused(facts["broken"][0]) if facts["broken"] else tally.held()


OURS_MISSING: dict[str, Callable[[Installation], object]] = {
    "no dist-info of ours": lambda p: shutil.rmtree(p.metadata),
    "no entry_points.txt of ours": lambda p: (p.metadata / "entry_points.txt").unlink(),
    "our entry_points.txt is truncated": lambda p: (p.metadata / "entry_points.txt").write_text("[syncfree]\nsync_fr"),
    "our entry_points.txt is binary": lambda p: (p.metadata / "entry_points.txt").write_bytes(bytes(range(256))),
    "no METADATA of ours": lambda p: (p.metadata / "METADATA").unlink(),
    "our METADATA is not UTF-8": lambda p: (p.metadata / "METADATA").write_bytes(b"Name: syncfr\xe9\xe9\nVersion: 0.1.0\n"),
    "no pluggy": _remove("pluggy"),
    "a pluggy that raises": lambda p: (p.own("pluggy") / "__init__.py").write_text("raise ImportError('no')"),
    "a pluggy that exits": lambda p: (p.own("pluggy") / "__init__.py").write_text("import sys; sys.exit(3)"),
    "no packaging": _remove("packaging"),
    "an old packaging": lambda p: (p.own("packaging") / "version.py").write_text("class LegacyVersion: pass\n"),
    "no metadata of the framework": _remove("diffusers-9.1.dist-info"),
    "no release data": lambda p: (p.own("hostile_adapter") / "releases.json").unlink(),
    "release data by hand": lambda p: (p.own("hostile_adapter") / "releases.json").write_text("{}"),
    "release data not UTF-8": lambda p: (p.own("hostile_adapter") / "releases.json").write_bytes(b"\xff\xfe"),
    "no site module of ours": _remove("_syncfree_site.py"),
    "a site module that is empty": lambda p: p.own("_syncfree_site.py").write_text(""),
    "a site module with a syntax error": lambda p: p.own("_syncfree_site.py").write_text("def (:"),
    "no .pth of ours": _remove("syncfree.pth"),
    "only the .pth is left": lambda p: (p.remove("syncfree"), p.remove(_ours(p))),
    "the package is empty": lambda p: (p.remove("syncfree"), (p.site / "syncfree").mkdir()),
    "the package is a file": lambda p: (p.remove("syncfree"), (p.site / "syncfree").write_text("")),
}


@pytest.mark.parametrize("what", OURS_MISSING)
def test_something_that_we_need_is_missing(what: str, private: Installation, folder: Path, tally: Tally) -> None:
    """The framework works, as ours or as upstream's; where everything was lost, one line says so."""
    OURS_MISSING[what](private)
    ended = run(private, folder, IMPORTED)
    facts = judging.alive(ended)
    assert facts["errors"] == [None], str(ended)
    assert ended.code == 0, str(ended)
    said = [line for line in ended.err.splitlines() if "syncfree" in line]
    tally.refused(said[0]) if said else tally.held()


def _files_of_ours() -> list[str]:
    root = Path(__file__).parents[2] / "registry"
    fingerprints = (root / "fingerprints" / name for name in ("__init__.py", "_fingerprint.py", "_releases.py"))
    return sorted(str(path.relative_to(root)) for path in (*root.glob("*.py"), *fingerprints))


@pytest.mark.parametrize("how", ["missing", "syntax error", "raises"])
@pytest.mark.parametrize("name", _files_of_ours())
def test_one_of_our_files_is_broken(name: str, how: str, private: Installation, folder: Path, tally: Tally) -> None:
    folder_of_ours = private.own_folder("syncfree")
    if "/" in name:
        private.own_folder(f"syncfree/{name.partition('/')[0]}")
    file = folder_of_ours / name
    file.unlink()
    if how != "missing":
        file.write_text("def (:" if how == "syntax error" else "raise OSError")
    ended = run(private, folder, IMPORTED)
    facts = judging.alive(ended)
    assert facts["errors"] == [None], str(ended)
    said = [line for line in ended.err.splitlines() if "syncfree" in line]
    assert len(said) <= 8, ended.err  # one for each thing that is left out
    tally.refused(said[0]) if said else tally.held()


USERS = (
    "packaging",
    "pluggy",
    "typing",
    "dataclasses",
    "logging",
    "syncfree",
    "inspect",
    "registry",
    "plugins",
    "json",
    "hashlib",
    "acme",
)


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("content", ["", "raise RuntimeError('a user wrote this')"])
def test_a_file_of_the_user_s_own_has_the_name_of_something_we_need(
    name: str, content: str, shared: Installation, folder: Path, tally: Tally
) -> None:
    """In the working directory, which comes first on the path of a script; what of Python breaks is not ours to mend."""
    folder.mkdir(parents=True)
    script = "import sys; sys.path.append('.')\n" + IMPORTED
    (folder / "program.py").write_text(script)
    (folder / f"{name}.py").write_text(content)
    without = run(shared, folder, "", command=["program.py"], SYNCFREE="off")
    ended = run(shared, folder, "", command=["program.py"])
    if without.facts is None or without.facts["errors"] != [None]:
        assert ended.facts == without.facts or ended.facts is None, str(ended)
        tally.held()
        return
    facts = judging.alive(ended)
    assert facts["errors"] == [None], str(ended)
    said = [line for line in ended.err.splitlines() if "syncfree" in line]
    tally.refused(said[0]) if said else tally.held()
