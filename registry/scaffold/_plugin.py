"""The package of a new plugin."""

from __future__ import annotations

import inspect
import textwrap

from .._errors import SelectionError, unknown_hook
from .._version import __version__
from ..hooks import HOOKS
from ._write import rendered

_LAYOUT = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".github/workflows/test.yml": "test.yml",
    "src/$name/__init__.py": "__init__.py",
    "src/$name/plugin.py": "plugin.py",
    "src/$name/$hook.py": "implementation.py",
    "tests/test_$name.py": "test.py",
}


def plugin_files(name: str, hook: str) -> dict[str, str]:
    """Return the files of a plugin for one hook, by path.

    The implementation calls the hook's reference, so it passes every check, and is declared exact; how often it makes the host
    wait is left to the author.

    Raises:
        SelectionError: no such hook.
    """
    if hook not in HOOKS:
        raise SelectionError(f"--hook: {unknown_hook(hook, HOOKS)}")
    signature = inspect.signature(HOOKS[hook].spec)
    parameters = list(signature.parameters)
    contract = inspect.getdoc(HOOKS[hook].spec) or ""
    values = {
        "name": name,
        "distribution": name.replace("_", "-"),
        "hook": hook,
        "HOOK": hook.upper(),
        "summary": HOOKS[hook].summary,
        "parameters": ", ".join(f"{parameter}: Any" for parameter in parameters),
        "arguments": ", ".join(parameters),
        "contract": textwrap.indent(contract, "# ", lambda line: True).replace("# \n", "#\n"),
        "version": __version__,
    }
    return rendered("plugin", _LAYOUT, values)
