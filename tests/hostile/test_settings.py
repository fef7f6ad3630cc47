"""Environments and configuration files, right and wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import judging
from .children import Ended, run
from .installation import Installation
from .settings_of_users import SETTINGS, Settings
from .tally import Tally

FAMILY = "environments and configuration files"
AGAIN = "import hostile_child; hostile_child.imported_and_probed(times=2)"


def ended_with(settings: Settings, installation: Installation, folder: Path) -> Ended:
    """Import the framework twice under these settings."""
    folder.mkdir(parents=True)
    path = folder / "user.toml"
    environment = {name: value.replace("{file}", str(path)) for name, value in settings.environment}
    if settings.file is not None:
        path.write_bytes(settings.file)
        environment.setdefault("SYNCFREE_CONFIG", str(path))
    return run(installation, folder, AGAIN, **environment)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.name)
def test_each_setting_is_met_or_refused_with_what_is_wrong(
    settings: Settings, shared: Installation, folder: Path, tally: Tally
) -> None:
    ended = ended_with(settings, shared, folder)
    if settings.wrong:
        facts = judging.alive(ended)
        texts = {error and error["text"] for error in facts["errors"]}
        assert len(texts) == 1, f"not the same at each attempt: {texts}"
        words = [word.replace("{file}", "user.toml") for word in settings.wrong]
        tally.refused(judging.refused(facts["errors"][0], *words))
        return
    facts = judging.imported(ended)
    if settings.choices is None:
        judging.untouched(facts)
    else:
        assert {e["hook"]: e["choice"] for e in facts["plan"]} == dict(settings.choices)
    tally.held()


@pytest.mark.parametrize(
    "kind", ["fifo", "folder", "dangling link", "loop of links", "unreadable", "device", "socket", "empty"]
)
@pytest.mark.parametrize("off", [False, True])
def test_a_configuration_file_that_is_no_file(
    kind: str, off: bool, shared: Installation, folder: Path, tally: Tally
) -> None:
    folder.mkdir(parents=True)
    path = _odd(kind, folder)
    ended = run(shared, folder, AGAIN, SYNCFREE_CONFIG=str(path), SYNCFREE="off" if off else "on")
    if off or kind in ("empty", "device"):
        facts = judging.imported(ended)
        judging.untouched(facts) if off else judging.by_default(facts)
        tally.held()
    else:
        tally.refused(judging.refused(judging.alive(ended)["errors"][1], "SYNCFREE_CONFIG", path.name))


def _odd(kind: str, folder: Path) -> Path:
    path = folder / "odd.toml"
    if kind == "device":
        return Path("/dev/null")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "loop of links":
        path.symlink_to(path)
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            os.chdir(folder)  # a socket's path is limited to 108 bytes
            made.bind("odd.toml")
    elif kind == "unreadable":
        path.write_text("[hooks]\ndp_all_reduce = 'acme")
    else:
        path.write_text("")
    return path
