"""The test kit: it passes what is right, and names what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from syncfree import PluginError, SelectionError, hookimpl
from syncfree._difference import difference
from syncfree._plugins import Plugins
from syncfree.hooks import HOOKS
from syncfree.testing import check_implementation
from syncfree.testing._copies import copied

from .support import faulty

HOOK = "schedule_upload"


def shipped() -> list[tuple[str, str]]:
    plugins = Plugins(HOOKS, ("sync_free", "coefficient_table", "packed_all_to_all", "shm_mailbox", "auto"))
    plugins.discover()
    return [(hook, plugin) for hook, found in plugins.implementations.items() for plugin in found]


@pytest.mark.parametrize(("hook", "plugin"), shipped())
def test_every_implementation_of_ours_passes_on_the_cpu(hook: str, plugin: str) -> None:
    check_implementation(hook, plugin, examples=20, audited=False)  # audited: tests/audit/test_declared_syncs.py


@pytest.mark.parametrize(
    ("implementation", "problem"),
    [
        (
            faulty.wrong,
            r"does not return what the reference returns: \d+ of \d+ elements of the result differ \(bit for bit\): element",
        ),
        (faulty.other_dtype, r"the dtype of the result is torch\.\w+, not torch\.\w+"),
        (faulty.mutating, r"changed its arguments: .*'values'"),
        (faulty.mutating_and_declining, r"changed its arguments: .*'values'"),
        (faulty.declining, r"declined all of \d+ generated calls"),
        (faulty.raising, r"raised KeyError: 'nothing there', where the reference does not"),
    ],
)
def test_what_is_wrong_is_named(implementation: Callable[..., Any], problem: str) -> None:
    with pytest.raises(
        AssertionError, match=f"{HOOK} of plugin 'tests.contract.support.faulty:{implementation.__name__}': .*{problem}"
    ):
        check_implementation(HOOK, implementation, audited=False)


def test_the_message_holds_the_arguments_and_both_results() -> None:
    with pytest.raises(AssertionError) as caught:
        check_implementation(HOOK, "tests.contract.support.faulty:wrong")
    for part in ("values = tensor(", "dtype = torch.", "implementation returned tensor(", "reference returned tensor("):
        assert part in str(caught.value)


def test_a_hook_that_changes_its_arguments_is_held_to_what_they_hold_afterwards() -> None:
    with pytest.raises(AssertionError, match=r"argument 'states' afterwards\[0\] differ"):
        check_implementation("penalty_state_reset", faulty.leaving_one_row)


def test_one_that_is_not_declared_exact_is_held_to_the_tolerance() -> None:
    @hookimpl
    def near(update: Any) -> Any:
        return HOOKS["scheduler_step"].reference(update) * (1 + 1e-3)

    check_implementation("scheduler_step", near)
    with pytest.raises(AssertionError, match=r"within rtol=0.0, atol=0.0\): element \[0, 0, 0, 0\] is nan, not"):
        check_implementation("rotary_embedding", faulty.inexact)


def test_one_that_waits_more_often_than_declared_is_named_with_the_line() -> None:
    with pytest.raises(
        AssertionError, match=r"on the simulated device, .*more often than the declared 0 times(?s:.*)faulty\.py"
    ):
        check_implementation(HOOK, faulty.syncing)


def test_one_that_waits_as_often_as_declared_passes() -> None:
    check_implementation(HOOK, faulty.syncing_as_declared)


def test_a_function_that_no_other_process_can_import_is_not_audited_in_silence() -> None:
    @hookimpl(exact=True, host_syncs=0)
    def local(values: Any, device: Any, dtype: Any) -> Any:
        return HOOKS["schedule_upload"].reference(values, device, dtype)

    with pytest.raises(ValueError, match="cannot be imported by the process that audits it"):
        check_implementation(HOOK, local)
    check_implementation(HOOK, local, audited=False)


def test_wrong_names_suggest_the_nearest() -> None:
    with pytest.raises(SelectionError, match="did you mean 'schedule_upload'"):
        check_implementation("schedule_uplod", "sync_free")
    with pytest.raises(SelectionError, match="'sync_fre' does not implement schedule_upload; did you mean 'sync_free'"):
        check_implementation(HOOK, "sync_fre")
    with pytest.raises(PluginError, match=r"'tests.contract.support.faulty:rong' cannot be imported"):
        check_implementation(HOOK, "tests.contract.support.faulty:rong")


def test_a_wrong_signature_is_refused() -> None:
    with pytest.raises(PluginError, match="is not the contract"):
        check_implementation(HOOK, "tests.contract.support.faulty:leaving_one_row")


def test_nan_equals_nan_and_the_sign_of_zero_counts_for_exact_ones() -> None:
    nan, zero = torch.tensor([float("nan")]), torch.tensor([0.0])
    assert difference(nan, nan.clone(), None) is None
    assert difference(-zero, zero, None)
    assert difference(-zero, zero, HOOKS[HOOK].tolerance) is None


def test_numpy_arrays_are_compared_by_element() -> None:
    rows = torch.tensor([0, 1]).numpy()
    assert difference(rows, rows.copy(), None) is None
    assert "element [1] is 2, not 1" in (difference(torch.tensor([0, 2]).numpy(), rows, None) or "")


def test_copied_arguments_share_memory_as_the_originals_do() -> None:
    base = torch.arange(6)
    copy = copied({"base": base, "view": base[2::2]})
    copy["base"].zero_()
    assert copy["view"].tolist() == [0, 0]
    assert base.tolist() == list(range(6))
