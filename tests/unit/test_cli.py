"""The commands ``syncfree list`` and ``syncfree doctor``."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import syncfree
from syncfree._runtime import Runtime
from syncfree.adapting import Form
from syncfree.cli._app import app
from syncfree.hooks import HOOKS

from .made_up import REDUCE, MadeUp, compose_reduce, reduce_binding
from .spawned import First


@pytest.fixture(autouse=True)
def of_this_test(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands look at the test's registry."""
    for name in ("doctor", "_doctor_text", "_environment", "listing", "explain", "config"):
        monkeypatch.setattr(importlib.import_module(f"syncfree.cli.{name}"), "RUNTIME", runtime)
    monkeypatch.setenv("COLUMNS", "400")  # nothing is wrapped


@pytest.fixture
def no_adapters(runtime: Runtime) -> None:
    """No adapter is installed."""
    assert list(runtime.adapters()) == []


def says(*arguments: str, status: int = 0) -> str:
    done: Result = CliRunner().invoke(app, arguments)
    assert done.exit_code == status, (done.output, done.exception)
    return done.stdout


def as_json(*arguments: str, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(says(*arguments, "--json", status=status))
    return found


def installed(made_up: MadeUp, *forms: Form) -> None:
    """Release 1.0 of the made-up framework, with an adapter."""
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(reduce_binding(*forms))


def test_list_shows_every_hook_and_who_provides_it() -> None:
    text = says("list", "--verbose")
    assert all(hook in text for hook in HOOKS)
    assert f"syncfree {syncfree.__version__}" in text


def test_list_as_json_says_what_each_implementation_declares() -> None:
    found = as_json("list")
    assert list(found["hooks"]) == list(HOOKS)
    assert found["broken_plugins"] == []
    (ours,) = [one for one in found["hooks"]["progress_reporting"] if one["plugin"] == "sync_free"]
    assert ours == {
        "plugin": "sync_free",
        "distribution": f"syncfree {syncfree.__version__}",
        "exact": True,
        "host_syncs": 0,
        "lockstep": False,
        "needs": [],
        "missing": [],
        "preference": 0,
    }


def test_list_shows_a_plugin_that_the_program_brought() -> None:
    syncfree.register(First(), "first")
    assert "first" in {one["plugin"] for one in as_json("list")["hooks"]["dp_all_reduce"]}
    assert "the program" in says("list")


def test_doctor_works_without_any_framework(no_adapters: None) -> None:
    found = as_json("doctor")
    assert found["bindings"] == []
    assert found["problems"] == []
    assert found["syncfree"] == syncfree.__version__
    assert f"syncfree {syncfree.__version__}" in says("doctor")


def test_doctor_says_of_our_adapters_that_their_frameworks_are_not_installed() -> None:
    text = says("doctor")
    for framework in {entry["framework"] for entry in as_json("doctor")["bindings"]}:
        assert f"{framework}: not installed" in text


@pytest.mark.with_torch
def test_doctor_shows_verdict_choice_and_reason_and_imports_nothing(made_up: MadeUp) -> None:
    installed(made_up)
    (binding,) = as_json("doctor")["bindings"]
    assert (binding["hook"], binding["version"], binding["verdict"]) == ("dp_all_reduce", "1.0", "stalls")
    assert (binding["would_use"], binding["source"], binding["reason"]) == ("sync_free", "default", "it stalls")
    text = says("doctor")
    for part in ("made_up 1.0", "dp_all_reduce", "reduce", "stalls", "sync_free", "it stalls"):
        assert part in text
    assert not made_up.imported


def test_doctor_says_what_the_environment_chooses(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up)
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "upstream")
    (binding,) = as_json("doctor")["bindings"]
    assert (binding["would_use"], binding["source"]) == ("upstream", "SYNCFREE_DP_ALL_REDUCE")


def test_doctor_says_that_everything_is_switched_off(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up)
    monkeypatch.setenv("SYNCFREE", "off")
    found = as_json("doctor")
    assert found["enabled"] is False
    assert [binding["would_use"] for binding in found["bindings"]] == ["upstream"]
    assert "switched off" in says("doctor")


def test_off_is_stronger_than_every_mistake_and_doctor_notes_them(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up)
    mistakes = {
        "SYNCFREE_CONFIG": "/no/such/file",
        "SYNCFREE_PLUGINS": "nothing",
        "SYNCFREE_DP_ALL_REDUCE": "nothing",
        "SYNCFREE_X": "1",
    }
    for name, value in {"SYNCFREE": "off", **mistakes}.items():
        monkeypatch.setenv(name, value)
    found = as_json("doctor")
    assert (found["enabled"], found["problems"]) == (False, [])
    assert any("ignored while syncfree is switched off: unknown variable SYNCFREE_X" in note for note in found["notes"])
    assert "switched off" in says("doctor")
    assert "dp_all_reduce" in says("list")
    syncfree.register(First(), "first")
    assert not syncfree.load("made_up").enabled
    assert not syncfree.plan().enabled
    assert syncfree.counters() == {}
    syncfree.use(dp_all_reduce="upstream")


@pytest.mark.with_torch
def test_doctor_ends_with_1_when_an_explicit_choice_cannot_be_met(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up, Form(">=1.0,<2", "upstreamed", "it is done there", None))
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "sync_free")
    (problem,) = as_json("doctor", status=1)["problems"]
    assert "SYNCFREE_DP_ALL_REDUCE asks for 'sync_free' of dp_all_reduce, which cannot be met" in problem
    assert "cannot be met" in says("doctor", status=1)


@pytest.mark.with_torch
def test_doctor_ends_with_0_when_the_explicit_choice_can_be_met(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up, Form(">=1.0,<2", "upstreamed", "it is done there", (compose_reduce,)))
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "sync_free")
    (binding,) = as_json("doctor")["bindings"]
    assert binding["would_use"] == "sync_free"


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_a_wrong_variable_ends_with_2_and_one_sentence(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_PROGRES_REPORTING", "sync_free")
    program = "import sys; from syncfree.cli import main; sys.argv[0] = 'syncfree'; main()"
    done = subprocess.run([sys.executable, "-c", program, command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "syncfree: unknown variable SYNCFREE_PROGRES_REPORTING; did you mean 'SYNCFREE_PROGRESS_REPORTING'?"
    )


def test_without_a_command_the_help_names_them_all() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(name in text for name in ("list", "doctor", "explain", "config", "audit", "fingerprint"))
    assert "..." not in text.partition("Commands:")[2]  # no description is cut
    assert says("--version").strip() == syncfree.__version__
