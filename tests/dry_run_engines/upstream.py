"""``python -m tests.dry_run_engines.upstream diffusers``: a framework's own tests on ``cuda`` in the dry run, with values.

Prints how many ran and passed, the tests that failed and why, and waits by test, most first; without our hooks and with them.
The tests are not in the released packages: ``--repository`` is a clone to take them from, by default the public one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.environments import release, wheel

from .running import PROGRAMS

SOURCES = {"diffusers": ("https://github.com/huggingface/diffusers", "tests/schedulers", "0.37.0")}
"""By framework: the public repository, the folder of the tests, and the release that is tested."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dry_run_engines.upstream", description=__doc__)
    parser.add_argument("framework", choices=list(SOURCES))
    parser.add_argument("--repository", help="a clone, or its address; the tests of the tag of the release are taken from it")
    parser.add_argument("--json", type=Path, help="where to keep all of it")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    address, folder, version = SOURCES[options.framework]
    python = release(options.framework, version, wheel(), cuda=True)
    with tempfile.TemporaryDirectory() as scratch:
        tests = Path(scratch, "clone")
        source = options.repository or address
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--branch", f"v{version}", source, tests], check=True)
        found = {name: _run(python, tests, folder, Path(scratch), options.arguments, hooks=name == "on") for name in ("off", "on")}
    _print(options.framework, version, found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 0


def _run(python: Path, tests: Path, folder: str, scratch: Path, arguments: list[str], *, hooks: bool) -> dict[str, Any]:
    """Run the tests once; return by test its outcome and waits."""
    result = scratch / f"found-{hooks}.json"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")},
        **({} if hooks else {"SYNCFREE": "off"}),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROGRAMS),
        "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "4",
        "WAITS_BY_TEST": str(result),
    }
    plugins = ("-p", "waits_by_test", "-p", "no:cacheprovider")
    command = [python, "-m", "pytest", "-q", *plugins, folder, *arguments]
    audited = [python, "-m", "syncfree.audit", "--backend", "dry-run", "--values", "--", *command]
    subprocess.run(audited, cwd=tests, env=environment, stdout=sys.stderr, check=False)
    return dict(json.loads(result.read_text()))


def _print(framework: str, version: str, found: Mapping[str, dict[str, Any]]) -> None:
    for hooks, by_test in found.items():
        outcomes = Counter(one.get("outcome", "not run") for one in by_test.values())
        waits = sum(one["waits"] for one in by_test.values())
        print(f"{framework} {version}, hooks {hooks}: {len(by_test)} tests, {dict(outcomes)}, {waits} waits")
        for name, one in by_test.items():
            if one.get("outcome") == "failed":
                print(f"  failed: {name}: {one['why']}")
    print("waits by test, hooks off and on:")
    ranked = sorted(found["off"].items(), key=lambda item: -item[1]["waits"])
    for name, one in ranked:
        print(f"{one['waits']:8d} {found['on'].get(name, one)['waits']:8d}  {name}")


if __name__ == "__main__":
    sys.exit(main())
