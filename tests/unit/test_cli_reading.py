"""The text that people read in a terminal of 80 columns: summary first, names whole, details on request; `explain` and `config`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import syncfree
from syncfree._config_file import read_config_file
from syncfree.adapting import Form
from syncfree.cli._app import app
from syncfree.hooks import HOOKS
from syncfree.metrics import _settings

from .made_up import REDUCE, SLOW, MadeUp, compose_reduce, reduce_binding
from .test_cli import installed, of_this_test, says

__all__ = ["of_this_test"]
TERMINAL = 80


@pytest.fixture(autouse=True)
def eighty_columns(of_this_test: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(TERMINAL))


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("arguments", [("list",), ("doctor",), ("explain", "scheduler_step"), ("config",), ("--help",)])
def test_no_line_is_longer_than_the_terminal_but_the_one_to_paste(arguments: tuple[str, ...]) -> None:
    text = says(*arguments).partition("For an issue report:")[0]
    assert [line for line in lines(text) if len(line) > TERMINAL] == []


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_names_of_hooks_and_implementations_are_whole_at_every_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = says("list").split()
    assert set(HOOKS) <= set(words)
    assert {"sync_free", "coefficient_table", "packed_all_to_all", "shm_mailbox"} <= set(words)


@pytest.mark.with_torch
def test_list_marks_one_default_for_each_hook() -> None:
    rows = [line for line in lines(says("list")) if "  default  " in line]
    assert len(rows) == len(HOOKS)
    assert any(line.split()[:3] == ["scheduler_step", "coefficient_table", "default"] for line in rows)


@pytest.mark.with_torch
def test_doctor_begins_with_what_it_means(made_up: MadeUp) -> None:
    installed(made_up)
    first, environment, _, head, hook, reason, *_ = lines(says("doctor"))
    assert first == f"syncfree {syncfree.__version__}"
    assert environment.startswith("Python 3.")
    assert head == "made_up 1.0: 1 to bind, 0 refused"
    assert hook == "  dp_all_reduce = sync_free"
    assert reason == "      it stalls"


def test_doctor_says_what_is_fixed_upstream_and_what_is_refused(made_up: MadeUp) -> None:
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install("1.0", SLOW.replace("local, rank, size, group, device", "something, new"))
    made_up.adapter(reduce_binding(Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,))))
    text = says("doctor")
    assert "made_up 1.0: 0 to bind, 1 refused" in text
    assert "dp_all_reduce refused" in text
    assert "What is refused stays upstream's" in text


def test_doctor_names_targets_and_reasons_when_it_is_asked_to(made_up: MadeUp) -> None:
    installed(made_up, Form(">=1.0,<2", "upstreamed", "it is done there", None))
    assert "it is done there" not in says("doctor")
    for arguments in (("doctor", "--verbose"), ("doctor", "dp_all_reduce")):
        text = says(*arguments)
        assert "upstreamed: " in text
        assert "      reduce\n      it is done there" in text
    assert "made_up" not in says("doctor", "vae_decode")


def test_doctor_ends_with_a_block_for_an_issue(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(made_up)
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", "upstream")
    block = says("doctor").partition("For an issue report:\n")[2]
    assert f"  syncfree {syncfree.__version__}; Python 3." in block
    assert "  made_up 1.0: " in block
    assert "  SYNCFREE_DP_ALL_REDUCE=upstream" in block


def test_a_hook_that_does_not_exist_is_told_the_nearest() -> None:
    for command in ("doctor", "explain"):
        done = CliRunner().invoke(app, [command, "dp_al_reduce"])
        assert "there is no hook 'dp_al_reduce'; did you mean 'dp_all_reduce'?" in str(done.exception)


def test_explain_names_file_and_line_of_the_installed_release(made_up: MadeUp) -> None:
    installed(made_up)
    text = says("explain", "dp_all_reduce")
    (place,) = [line.strip() for line in lines(text) if line.endswith(" reduce")]
    path, _, number = place.split()[0].rpartition(":")
    source = (made_up.folder / path).read_text().splitlines()
    assert source[int(number) - 1].startswith("def reduce(")
    assert "SYNCFREE_DP_ALL_REDUCE=upstream" in text
    assert "all_ranks=True" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_can_be_explained(hook: str) -> None:
    text = says("explain", hook)
    assert f"  {HOOKS[hook].variable}=upstream" in text
    assert "  sync_free\n      " in text or "  coefficient_table\n      " in text
    assert "Returns:" in says("explain", hook, "--verbose")


def test_config_shows_each_choice_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_VAE_DECODE", "upstream")
    assert "vae_decode  upstream  SYNCFREE_VAE_DECODE" in " ".join(says("config").replace("   ", "  ").split("\n"))
    found = json.loads(says("config", "--json"))
    assert found["hooks"] == {"vae_decode": {"choice": "upstream", "source": "SYNCFREE_VAE_DECODE"}}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"SYNCFREE_CONTROL": "on"}, ["reached by ps, top and toggle: yes", "metrics: none"]),
        ({"SYNCFREE_CONTROL": "off"}, ["reached by ps, top and toggle: no"]),
        ({"SYNCFREE": "off"}, ["reached by ps, top and toggle: no"]),
        ({"SYNCFREE_METRICS": "9400"}, ["metrics: at 127.0.0.1:9400"]),
        ({"SYNCFREE_METRICS": "[::1]:9400"}, ["metrics: at [::1]:9400"]),
        ({"SYNCFREE_METRICS": "/run/metrics.sock"}, ["metrics: at /run/metrics.sock"]),
        (
            {"SYNCFREE_METRICS": "on", "SYNCFREE_METRICS_SAMPLE": "0.01"},
            ["metrics: in the framework's own registry, with times of a share of 0.01 of the calls of every hook"],
        ),
    ],
)
def test_config_says_whether_a_process_is_reached_and_where_its_metrics_go(
    said: dict[str, str], shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settings, "find_spec", lambda name: object())
    for variable, value in said.items():
        monkeypatch.setenv(variable, value)
    lines = " ".join(says("config").split())
    assert [line for line in shown if line not in lines] == []


def test_the_file_that_config_writes_is_read_back_as_the_same_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFREE_VAE_DECODE", "upstream")
    monkeypatch.setenv("SYNCFREE_ALLOW_UNKNOWN", "postprocess")
    path = tmp_path / "syncfree.toml"
    says("config", "--write", str(path))
    read = read_config_file(str(path), HOOKS)
    assert read.problems == []
    assert (read.enabled, read.hooks, list(read.allow_unknown.words)) == (True, {"vae_decode": "upstream"}, ["postprocess"])
    assert all(f"\n# {hook} = " in path.read_text() for hook in HOOKS if hook != "vae_decode")


def test_config_never_overwrites_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    done = CliRunner().invoke(app, ["config", "--write", str(path)])
    assert "exists and is left as it is" in str(done.exception)
    assert path.read_text() == "mine"


def completed(*words: str) -> set[str]:
    variables = {
        "_SYNCFREE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": " ".join(words),
    }
    return set(CliRunner().invoke(app, prog_name="syncfree", env=variables).output.split())


@pytest.mark.parametrize("command", [("explain",), ("doctor",), ("ab",), ("record",), ("new-plugin", "x", "--hook")])
def test_the_shell_completes_names_of_hooks(command: tuple[str, ...]) -> None:
    assert completed("syncfree", *command, "vae") == {"vae_decode"}


def test_the_shell_completes_what_a_hook_can_be_toggled_to() -> None:
    assert completed("syncfree", "toggle", "vae") == {f"vae_decode={name}" for name in ("sync_free", "upstream", "default")}
    assert completed("syncfree", "toggle", "vae_decode=u") == {"vae_decode=upstream"}
