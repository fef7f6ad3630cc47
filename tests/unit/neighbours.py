"""Distributions of others, written by hand into a folder on ``sys.path``: whole ones and damaged ones."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

from syncfree._plugins import BrokenPlugin, Plugins
from syncfree.hooks import HOOKS

GOOD = """
import syncfree

@syncfree.hookimpl(exact=True)
def postprocess(decoded):
    return decoded
"""
"""The source of a plugin that nothing is wrong with."""


class Neighbours:
    """Writes modules and the metadata of distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def module(self, name: str, source: str | bytes) -> None:
        """Write ``name.py``, or the package of that name for ``name/__init__``."""
        path = self.folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
        importlib.invalidate_caches()

    def distribution(
        self,
        entry_points: str | bytes,
        name: str = "acme",
        version: str = "1.0",
        metadata: str | bytes | None = "",
        folder: str = "{name}-{version}.dist-info",
    ) -> Path:
        """Write the metadata of a distribution; ``metadata=""`` is one that says its name and version."""
        info = self.folder / folder.format(name=name, version=version)
        info.mkdir(exist_ok=True)
        if metadata is not None:
            said = metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (info / "METADATA").write_bytes(said if isinstance(said, bytes) else said.encode())
        points = entry_points if isinstance(entry_points, bytes) else textwrap.dedent(entry_points).encode()
        (info / "entry_points.txt").write_bytes(points)
        importlib.invalidate_caches()
        return info

    def plugin(self, source: str | bytes, name: str = "acme", value: str | None = None) -> None:
        """A distribution of one plugin, whose module is ``made_up_NAME``."""
        self.module(f"made_up_{name}", source)
        self.distribution(f"[syncfree]\n{name} = {f'made_up_{name}' if value is None else value}\n", name)

    def adapter(self, source: str, name: str = "acme") -> None:
        """A distribution of one adapter, ``ADAPTER`` of the package ``made_up_NAME``."""
        self.module(f"made_up_{name}/__init__", source)
        self.distribution(f"[syncfree.adapters]\n{name} = made_up_{name}:ADAPTER\n", name)


def discovered() -> Plugins:
    plugins = Plugins(HOOKS)
    plugins.discover()
    return plugins


def left_out(neighbours: Neighbours) -> BrokenPlugin:
    """The one plugin that is left out, in one printable line, while the good one and ours are there."""
    plugins = discovered()
    assert {"sync_free", "good"} <= {found.plugin for found in plugins.candidates("postprocess")}
    (broken,) = plugins.broken
    assert str(broken).isprintable()
    assert len(str(broken)) < 2500
    return broken
