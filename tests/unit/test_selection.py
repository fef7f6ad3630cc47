"""Reading the user's choices: precedence, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfree import SelectionError
from syncfree._select import (
    GENERAL_VARIABLES,
    Choice,
    check_plugin_names,
    is_off,
    read_selection,
)
from syncfree.hooks import HOOKS

HOOK = "scheduler_step"
VARIABLE = "SYNCFREE_SCHEDULER_STEP"


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "syncfree.toml"
    path.write_text(text)
    return str(path)


def test_without_anything_said_every_hook_is_chosen_by_default() -> None:
    selection = read_selection({}, HOOKS)
    assert selection.enabled
    assert {selection.choice(hook) for hook in HOOKS} == {Choice("default", "default")}


def test_the_environment_is_stronger_than_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, f'[hooks]\n{HOOK} = "from_file"\nprogress_reporting = "upstream"\n')
    selection = read_selection({"SYNCFREE_CONFIG": path, VARIABLE: "from_environment"}, HOOKS)
    assert selection.choice(HOOK) == Choice("from_environment", VARIABLE)
    assert selection.choice("progress_reporting") == Choice("upstream", f"file {path}")


def test_off_in_the_environment_is_stronger_than_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, "enabled = true")
    assert not read_selection({"SYNCFREE_CONFIG": path, "SYNCFREE": "off"}, HOOKS).enabled


def test_the_file_can_switch_everything_off(tmp_path: Path) -> None:
    assert not read_selection({"SYNCFREE_CONFIG": config(tmp_path, "enabled = false")}, HOOKS).enabled


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.lists(st.sampled_from(["x", "y"]), unique=True))
def test_plugins_are_allowed_in_the_order_they_are_named_and_denied_with_a_minus(
    allowed: list[str], denied: list[str]
) -> None:
    text = ", ".join([*allowed, *(f"-{name}" for name in denied)])
    selection = read_selection({"SYNCFREE_PLUGINS": text}, HOOKS)
    assert selection.allowed == tuple(allowed)
    assert selection.denied == frozenset(denied)


def test_an_unknown_variable_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        SelectionError, match="unknown variable SYNCFREE_SCHEDULER_STPE; did you mean 'SYNCFREE_SCHEDULER_STEP'"
    ):
        read_selection({"SYNCFREE_SCHEDULER_STPE": "sync_free"}, HOOKS)


def test_every_mistake_is_named_in_one_message(tmp_path: Path) -> None:
    path = config(tmp_path, 'hoks = 1\nplugins = "a"\n[hooks]\nscheduler = "x"\ndp_all_reduce = 3\n')
    environment = {
        "SYNCFREE_CONFIG": path,
        "SYNCFREE": "perhaps",
        "SYNCFREE_ALLOW_UNKNOWN": "nothing",
        "SYNCFREE_X": "1",
    }
    with pytest.raises(SelectionError) as caught:
        read_selection(environment, HOOKS)
    message = str(caught.value)
    for part in (
        "unknown variable SYNCFREE_X",
        "SYNCFREE='perhaps' is neither on nor off",
        "unknown key 'hoks'; did you mean 'hooks'",
        "plugins must be a list",
        "unknown hook 'scheduler'",
        "hooks.dp_all_reduce must be the name",
        "unknown hook 'nothing'",
    ):
        assert part in message


def test_a_missing_or_malformed_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    for path in (str(tmp_path / "missing.toml"), config(tmp_path, "hooks = [")):
        with pytest.raises(SelectionError, match="cannot be read") as caught:
            read_selection({"SYNCFREE_CONFIG": path}, HOOKS)
        assert path in str(caught.value)


def test_an_unknown_implementation_suggests_the_nearest() -> None:
    selection = read_selection({VARIABLE: "sync_fre"}, HOOKS)
    with pytest.raises(
        SelectionError,
        match="SYNCFREE_SCHEDULER_STEP: 'sync_fre' does not implement scheduler_step; did you mean 'sync_free'",
    ):
        check_plugin_names(selection, ["sync_free"], {HOOK: ["sync_free"]})


def test_an_implementation_of_a_denied_plugin_is_told_apart_from_an_unknown_one() -> None:
    selection = read_selection({VARIABLE: "acme", "SYNCFREE_PLUGINS": "-acme"}, HOOKS)
    with pytest.raises(SelectionError, match="plugin 'acme' is denied or does not implement"):
        check_plugin_names(selection, ["acme", "sync_free"], {HOOK: ["sync_free"]})


def test_an_unknown_plugin_in_the_list_suggests_the_nearest() -> None:
    for text in ("acmee", "-acmee"):
        with pytest.raises(SelectionError, match="unknown plugin 'acmee'; did you mean 'acme'"):
            check_plugin_names(read_selection({"SYNCFREE_PLUGINS": text}, HOOKS), ["acme"], {})


def test_the_switch_takes_the_usual_words_and_no_others() -> None:
    assert [is_off({"SYNCFREE": word}) for word in ("off", "0", "False", "no", "on", "1", "true", "YES")] == [True] * 4 + [
        False
    ] * 4
    with pytest.raises(SelectionError):
        is_off({"SYNCFREE": ""})


def test_the_names_of_variables_and_hooks_are_a_promise() -> None:
    assert GENERAL_VARIABLES == ("SYNCFREE", "SYNCFREE_PLUGINS", "SYNCFREE_CONFIG", "SYNCFREE_ALLOW_UNKNOWN")
    first = {
        "scheduler_step",
        "sequence_parallel_all_to_all",
        "sampler_logprob_gather",
        "dp_all_reduce",
        "progress_reporting",
    }
    assert first <= set(HOOKS)
    assert all(hook.variable == f"SYNCFREE_{name.upper()}" for name, hook in HOOKS.items())
