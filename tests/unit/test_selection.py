"""Reading the user's choices: precedence, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfree import SelectionError
from syncfree._select import check_plugin_names, read_selection
from syncfree._selection import Choice
from syncfree._variables import GENERAL_VARIABLES, is_off
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
        "SYNCFREE_CONTROL": "run/here",
        "SYNCFREE_ALLOW_UNKNOWN": "nothing",
        "SYNCFREE_X": "1",
    }
    with pytest.raises(SelectionError) as caught:
        read_selection(environment, HOOKS)
    message = str(caught.value)
    for part in (
        "unknown variable SYNCFREE_X",
        "SYNCFREE='perhaps' is neither on nor off",
        "SYNCFREE_CONTROL='run/here' is neither on nor off",
        "or give the absolute path of a folder for sockets",
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
    assert all(is_off({"SYNCFREE": word}) for word in ("off", "0", "False", "no", " OFF\t"))
    assert not any(is_off({"SYNCFREE": word}) for word in ("on", "1", "true", "YES", "", " "))
    for word in ("of", "disabled", "2", "o\x00ff", "\udcff"):
        with pytest.raises(SelectionError, match="is neither on nor off"):
            is_off({"SYNCFREE": word})


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_an_empty_or_blank_variable_counts_as_not_set(tmp_path: Path, value: str) -> None:
    path = config(tmp_path, f'plugins = ["-a"]\nallow_unknown = ["{HOOK}"]\n[hooks]\n{HOOK} = "b"\n')
    empty = dict.fromkeys(["SYNCFREE", "SYNCFREE_PLUGINS", "SYNCFREE_ALLOW_UNKNOWN", VARIABLE], value)
    assert read_selection({**empty, "SYNCFREE_CONFIG": path}, HOOKS) == read_selection({"SYNCFREE_CONFIG": path}, HOOKS)
    assert read_selection({**empty, "SYNCFREE_CONFIG": value}, HOOKS) == read_selection({}, HOOKS)


@pytest.mark.parametrize("words", ["a,-a", "-a, a", "a,b,- a"])
def test_a_name_that_is_both_allowed_and_denied_is_an_error(tmp_path: Path, words: str) -> None:
    with pytest.raises(SelectionError, match="SYNCFREE_PLUGINS both allows and denies 'a': remove 'a' or '-a'"):
        read_selection({"SYNCFREE_PLUGINS": words}, HOOKS)
    path = config(tmp_path, f"plugins = {[word.strip() for word in words.split(',')]}")
    with pytest.raises(SelectionError, match=f"file {path}: plugins both allows and denies 'a'"):
        read_selection({"SYNCFREE_CONFIG": path}, HOOKS)


def test_a_name_that_is_given_twice_counts_once() -> None:
    assert read_selection({"SYNCFREE_PLUGINS": "a,b,a,-c,-c"}, HOOKS).allowed == ("a", "b")


def test_a_wrong_name_in_the_file_is_blamed_on_the_file_and_its_key(tmp_path: Path) -> None:
    path = config(tmp_path, 'allow_unknown = ["scheduler_stpe"]')
    with pytest.raises(SelectionError, match=f"file {path}: allow_unknown names the unknown hook 'scheduler_stpe'") as caught:
        read_selection({"SYNCFREE_CONFIG": path}, HOOKS)
    assert "SYNCFREE_ALLOW_UNKNOWN" not in str(caught.value)
    selection = read_selection({"SYNCFREE_CONFIG": config(tmp_path, 'plugins = ["acmee"]')}, HOOKS)
    with pytest.raises(SelectionError, match=f"file {path}: plugins names the unknown plugin 'acmee'; did you mean 'acme'"):
        check_plugin_names(selection, ["acme"], {})


def test_a_wrong_name_in_a_variable_that_overrides_the_file_is_blamed_on_the_variable(tmp_path: Path) -> None:
    path = config(tmp_path, 'plugins = ["acme"]')
    selection = read_selection({"SYNCFREE_CONFIG": path, "SYNCFREE_PLUGINS": "-acmee"}, HOOKS)
    with pytest.raises(SelectionError, match="SYNCFREE_PLUGINS names the unknown plugin 'acmee'"):
        check_plugin_names(selection, ["acme"], {})


@pytest.mark.parametrize("name", ["SYNCFREE_Config", "syncfree_config", "SYNCFREE_CONFIG ", " SYNCFREE_CONFIG", "SYNCFREE-CONFIG"])
def test_one_of_our_variables_in_other_letters_is_an_error_with_the_nearest(name: str) -> None:
    with pytest.raises(SelectionError, match=r"unknown variable .*; did you mean 'SYNCFREE_CONFIG'"):
        read_selection({name: "/etc/syncfree.toml"}, HOOKS)


@pytest.mark.parametrize("name", ["syncfree_home", "MY_SYNCFREE", "SYNCFREEDOM", "SYNC_FREE_X"])
def test_a_variable_of_others_is_left_alone(name: str) -> None:
    assert read_selection({name: "x"}, HOOKS) == read_selection({}, HOOKS)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_left_alone() -> None:
    """It does so in every container of the namespace; nobody chose it."""
    of_a_port = ["", "_8000_TCP", "_8000_TCP_PROTO", "_8000_TCP_PORT", "_8000_TCP_ADDR"]
    for service in ("SYNCFREE", "SYNCFREE_DEMO"):
        names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", *(f"PORT{port}" for port in of_a_port)]
        assert read_selection({f"{service}_{name}": "10.0.0.1" for name in names}, HOOKS) == read_selection({}, HOOKS)


def test_off_is_stronger_than_every_mistake(tmp_path: Path) -> None:
    mistakes = {
        "SYNCFREE_CONFIG": str(tmp_path / "missing.toml"),
        "SYNCFREE_X": "1",
        "SYNCFREE_PLUGINS": "a,-a,nothing",
        "SYNCFREE_ALLOW_UNKNOWN": "nothing",
        VARIABLE: "nothing",
    }
    with pytest.raises(SelectionError):
        read_selection(mistakes, HOOKS)
    selection = read_selection({**mistakes, "SYNCFREE": "off"}, HOOKS)
    assert not selection.enabled
    assert selection.hooks == {}
    check_plugin_names(selection, ["sync_free"], {})
    assert any("unknown variable SYNCFREE_X" in problem for problem in selection.ignored)


def test_off_in_the_file_is_stronger_than_mistakes_beside_it(tmp_path: Path) -> None:
    path = config(tmp_path, "enabled = false\nhoks = 1\n[hooks]\nnothing = 3\n")
    selection = read_selection({"SYNCFREE_CONFIG": path, "SYNCFREE_X": "1"}, HOOKS)
    assert not selection.enabled
    assert len(selection.ignored) == 3


def test_a_very_long_or_hostile_name_is_clipped_and_shown_on_one_line() -> None:
    environment = {"SYNCFREE_" + "X" * 100_000: "1", "SYNCFREE_\x1b[2J\n": "1", "SYNCFREE_ALLOW_UNKNOWN": "y\x07" * 50_000}
    with pytest.raises(SelectionError) as caught:
        read_selection(environment, HOOKS)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 10_000


def test_of_many_mistakes_the_first_ones_are_named() -> None:
    with pytest.raises(SelectionError, match=r"; and 80 more\n") as caught:
        read_selection({f"SYNCFREE_X{number}": "1" for number in range(100)}, HOOKS)
    assert "unknown variable SYNCFREE_X19" in str(caught.value)


def test_the_names_of_variables_and_hooks_are_a_promise() -> None:
    of_verification = ("SYNCFREE_VERIFY", "SYNCFREE_VERIFY_ON_MISMATCH", "SYNCFREE_VERIFY_CONTENTS")
    of_control = ("SYNCFREE_CONTROL", "SYNCFREE_JOB", "SYNCFREE_REPORT", "SYNCFREE_METRICS", "SYNCFREE_METRICS_SAMPLE")
    general = ("SYNCFREE", "SYNCFREE_PLUGINS", "SYNCFREE_CONFIG", "SYNCFREE_ALLOW_UNKNOWN")
    of_recording = ("SYNCFREE_RECORD", "SYNCFREE_RECORD_TO", "SYNCFREE_AB")
    assert (*general, *of_verification, *of_recording, *of_control) == GENERAL_VARIABLES
    first = {
        "scheduler_step",
        "sequence_parallel_all_to_all",
        "sampler_logprob_gather",
        "dp_all_reduce",
        "progress_reporting",
    }
    assert first <= set(HOOKS)
    assert all(hook.variable == f"SYNCFREE_{name.upper()}" for name, hook in HOOKS.items())
