"""A made-up package named diffusers, imported in a process of its own in which ``syncfree.pth`` has run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SITE_FILE = Path(__file__).parents[2] / "registry" / "_site" / "_syncfree_site.py"


class FirstImport:
    """Writes the package, and runs programs beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "diffusers"
        package.mkdir()
        (package / "__init__.py").write_text("executed = True\n")
        info = folder / "diffusers-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: diffusers\nVersion: 0.1\n")

    def add(self, name: str, text: str) -> None:
        """Write a file beside the package."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def run(self, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program as if ``syncfree.pth`` lay in site-packages; a hang ends with the stack of every thread."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
        begin = "import faulthandler, runpy, sys; faulthandler.dump_traceback_later(60, exit=True)\n"
        begin += f"exec(open({str(SITE_FILE)!r}).read())\n"
        return subprocess.run(
            [sys.executable, "-c", begin + textwrap.dedent(program)],
            cwd=self.folder,
            env=variables | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def says(self, program: str, **environment: str) -> str:
        """Return what a program prints that ends well and says nothing on standard error."""
        done = self.run(program, **environment)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout.strip()
