"""``syncfree new-plugin`` and ``syncfree new-adapter``: write a package that passes its own tests."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from .._entry_points import find
from .._errors import SelectionError
from .._hook import PROJECT
from ..scaffold._adapter import adapter_files
from ..scaffold._names import check_name, check_package
from ..scaffold._plugin import plugin_files
from ..scaffold._write import check_target, write
from ._hook_names import complete
from ._output import print_line

_Folder = Annotated[Path | None, typer.Option("--to", help="The folder to write; by default NAME, here. It must not exist.")]


def new_plugin_command(
    name: Annotated[str, typer.Argument(help="The name of the plugin and of its package, such as kept_frames.")],
    hook: Annotated[
        str, typer.Option(help="The hook that it implements; see syncfree list.", autocompletion=complete)
    ] = "postprocess",
    to: _Folder = None,
) -> None:
    """Write a package with a plugin: one implementation, which calls the hook's reference, its tests and its CI file.

    It passes its tests, and every check of pytest --syncfree-check, as it is written.
    """
    folder = to or Path(name)
    check_target(folder)
    check_name(name, "plugin", _installed(PROJECT))
    write(folder, plugin_files(name, hook))
    print_line(f"{folder}: write the implementation in src/{name}/{hook}.py, then")
    print_line(f'  cd {quote(str(folder))} && pip install -e ".[test]" && pytest')
    print_line(f"  pytest --syncfree-check {name}")


def new_adapter_command(
    name: Annotated[str, typer.Argument(help="The name of the adapter's package, such as acme_syncfree.")],
    framework: Annotated[str, typer.Option(metavar="PACKAGE", help="The framework's top-level package.")] = "acme",
    to: _Folder = None,
) -> None:
    """Write a package with an adapter: one binding, to a stand-in for the framework, its tests and its CI file.

    It passes its tests as it is written; its README has the steps to the real framework.
    """
    folder = to or Path(name)
    check_target(folder)
    check_name(name, "adapter", {})
    check_package(framework)
    taken = _installed("syncfree.adapters")
    if framework.replace("_", "-") in taken:
        raise SelectionError(
            f"--framework: {framework!r} has an adapter already, of {taken[framework.replace('_', '-')]}; a framework has one: "
            "extend that one, see docs/adapters.md"
        )
    write(folder, adapter_files(name, framework))
    print_line(f"{folder}: name the function to bind in src/{name}/postprocess.py; README.md has the steps. Before that:")
    print_line(f'  cd {quote(str(folder))} && pip install -e ".[test]" && pytest')


def _installed(group: str) -> dict[str, str | None]:
    """Return the names of the entry points of a group, with their distributions."""
    return {point.name: point.distribution for point in find(group).points}
