"""A framework of a few lines, with an adapter, for testing the mechanism of judging and binding."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from syncfree import hookimpl
from syncfree._runtime import Runtime
from syncfree.adapting import Adapter, Attachment, Binding, Form
from syncfree.fingerprints._fingerprint import fingerprint
from syncfree.fingerprints._releases import Releases, hash_of, write_releases

SLOW = """
def reduce(local, rank, size, group, device):
    '''Upstream's slow form.'''
    return ["upstream", list(local), rank, size]


class Sampler:
    def gather(self, logits, *, top=1):
        return ("upstream", logits, top)

    @staticmethod
    def static(value):
        return ("upstream", value)

    @classmethod
    def made(cls, value):
        return ("upstream", cls, value)
"""
REDUCE = "made_up.work:reduce"
GATHER = "made_up.work:Sampler.gather"
CALL = ([1, 2], 0, 1, None, "cpu")
"""Arguments of ``reduce``."""


def compose_reduce(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """The replacement of ``reduce``: passes everything on."""

    def reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return mine(local, rank, size, group, device)

    return reduce


def compose_gather(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """The replacement of ``Sampler.gather``."""

    def gather(self: Any, logits: Any, *, top: int = 1) -> Any:
        return mine(logits, top, 1, None, "cpu")

    return gather


class Mine:
    """An exact plugin."""

    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        if rank == 99:
            return NotImplemented
        return ["mine", local, rank]


class Inexact:
    """A plugin that is not declared exact."""

    @staticmethod
    @hookimpl
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ["inexact", local, rank]


class Plugin:
    """A plugin whose dp_all_reduce says what it was called with."""

    def __init__(self, name: str) -> None:
        self.name = name

    def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        """Not a collective at all; it only has the hook's signature."""
        return [self.name, local, rank]


class MadeUp:
    """The framework: writes releases into a folder on ``sys.path`` and installs one of them."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self.folder = folder
        self.runtime = runtime
        self.sources: dict[str, str] = {}

    def release(self, version: str, source: str = SLOW) -> None:
        """Say what a release looked like."""
        self.sources[version] = source

    def record(self, *targets: str, sources: bool = False) -> None:
        """Write the release data of all releases said so far; with what their source files hash to, if ``sources``."""
        seen = {}
        for target in targets:
            name = target.split(":")[1]
            found = {version: fingerprint(source, name) for version, source in self.sources.items()}
            seen[target] = {version: record for version, record in found.items() if record is not None}
        home = self.folder / "made_up_adapter"
        home.mkdir(exist_ok=True)
        (home / "__init__.py").write_text("")
        hashes = {hash_of(textwrap.dedent(source)): version for version, source in self.sources.items()}
        files = {"made_up.work": hashes} if sources else {}
        write_releases(home / "releases.json", Releases("made_up", tuple(self.sources), seen, files))

    def install(self, version: str, source: str | None = None) -> None:
        """Put a release on the disk: its package and its metadata."""
        package = self.folder / "made_up"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("")
        (package / "work.py").write_text(textwrap.dedent(self.sources[version] if source is None else source))
        (package / "copies.py").write_text("from made_up.work import reduce\ntable = {'reduce': reduce}\n")
        info = self.folder / f"made_up-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made-up\nVersion: {version}\n")
        importlib.invalidate_caches()

    def adapter(self, *bindings: Binding, framework: str = "made_up", attachments: tuple[Attachment, ...] = ()) -> Adapter:
        """An adapter of this framework, known to the test's registry."""
        made = Adapter(framework, "made_up", ("made-up",), bindings, home="made_up_adapter", attachments=attachments)
        self.runtime.adapters().add(made, f"the test's {framework}")
        return made

    def work(self) -> ModuleType:
        """Import the module that holds the targets."""
        return importlib.import_module("made_up.work")

    @property
    def imported(self) -> bool:
        """Whether anybody has imported the framework."""
        return "made_up" in sys.modules


def reduce_binding(*forms: Form, note: str = "") -> Binding:
    """A binding of dp_all_reduce at ``reduce``; by default one stalling form of 1.x."""
    default = (Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,)),)
    return Binding("dp_all_reduce", (REDUCE,), forms or default, note=note)


def both_binding() -> Binding:
    """One binding with two targets, bound all or none."""
    form = Form(">=1.0,<2", "stalls", "they stall", (compose_reduce, compose_gather))
    return Binding("dp_all_reduce", (REDUCE, GATHER), (form,))
