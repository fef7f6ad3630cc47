"""``syncfree new-plugin`` and ``syncfree new-adapter``: what they write, and what they refuse. tests/kit installs and tests it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncfree._errors import SelectionError
from syncfree._marked_functions import check_signature
from syncfree.cli._app import app
from syncfree.hooks import HOOKS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the commands write to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> None:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None:
        raise done.exception


@pytest.mark.parametrize("hook", HOOKS)
def test_the_plugin_of_every_hook_has_the_signature_of_the_contract(hook: str, here: Path) -> None:
    run("new-plugin", "kept_things", "--hook", hook)
    namespace: dict[str, object] = {}
    exec((here / "kept_things" / "src" / "kept_things" / f"{hook}.py").read_text(), namespace)
    function = namespace[hook]
    assert callable(function)
    check_signature(HOOKS[hook], function, "the written one")


def test_a_folder_is_written_where_it_is_asked_for(here: Path) -> None:
    run("new-plugin", "kept_frames", "--to", "elsewhere")
    run("new-adapter", "acme_hooks", "--framework", "acme_video", "--to", "adapters")
    assert (here / "elsewhere" / "src" / "kept_frames" / "plugin.py").is_file()
    assert "acme-video = " in (here / "adapters" / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("new-plugin", "Kept-Frames"), "'Kept-Frames' cannot be the name of a package"),
        (("new-plugin", "lambda"), "'lambda' cannot be the name of a package"),
        (("new-plugin", "upstream"), "'upstream' cannot be a plugin's name"),
        (("new-plugin", "sync_free"), "plugin 'sync_free' is installed already, by syncfree"),
        (("new-plugin", "json"), "a module 'json' exists already"),
        (("new-plugin", "torch"), "a module 'torch' exists already"),
        (("new-plugin", "x"), "'x' cannot be the name of a package: use two or more lower-case letters"),
        (("new-plugin", "kept_frames", "--hook", "postproces"), "unknown hook 'postproces'; did you mean 'postprocess'"),
        (("new-plugin", "kept_frames", "--to", "no/such/folder"), "no/such is no folder: make it"),
        (("new-adapter", "Acme"), "'Acme' cannot be the name of a package"),
        (("new-adapter", "acme_hooks", "--framework", "acme.video"), "'acme.video' is not the name of a top-level package"),
        (("new-adapter", "vllm_hooks", "--framework", "vllm"), "'vllm' has an adapter already, of syncfree"),
        (("new-adapter", "acme", "--framework", "acme"), "'acme' is the framework's own package"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(arguments: tuple[str, ...], problem: str, here: Path) -> None:
    with pytest.raises(SelectionError, match=problem):
        run(*arguments)
    assert os.listdir(here) == []


@pytest.mark.parametrize("command", ["new-plugin", "new-adapter"])
def test_the_next_step_can_be_pasted_where_the_folder_has_spaces(command: str, here: Path) -> None:
    done = CliRunner().invoke(app, [command, "kept_frames", "--to", "two words"])
    assert "  cd 'two words' && pip install" in done.output


@pytest.mark.parametrize("command", ["new-plugin", "new-adapter"])
def test_an_existing_folder_is_left_alone(command: str, here: Path) -> None:
    (here / "kept_frames").mkdir()
    with pytest.raises(SelectionError, match="kept_frames exists already: remove it, or give another folder with --to"):
        run(command, "kept_frames")
    assert os.listdir(here / "kept_frames") == []


def test_a_package_that_cannot_be_completed_is_not_left_half_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, written = Path.write_text, []

    def full(self: Path, *arguments: str) -> int:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(self)
        return usual(self, *arguments)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SelectionError, match="kept_frames cannot be written: No space left on device"):
        run("new-plugin", "kept_frames")
    assert os.listdir(here) == []
