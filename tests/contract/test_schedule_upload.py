"""`schedule_upload`: what the host knows of an upload is right for as long as it is known, and never of what was written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from syncfree.adapters.host_copies import host_copy_of, remember
from syncfree.adapters.uploads import Uploads
from syncfree.audit import allow
from syncfree.plugins.sync_free.schedule_upload import schedule_upload

VALUES = [900.0, 600.0, 300.0, 1.0]
pytestmark = pytest.mark.usefixtures("sync_audit")  # a simulated GPU


def uploaded(work: Callable[[torch.Tensor], Any] = lambda there: there) -> tuple[Any, Any]:
    """What comes of an upload and of what is done with it afterwards: on the device, and what is known of it on the host."""
    with Uploads(schedule_upload) as uploads:
        result = work(torch.tensor(VALUES).to("cuda"))
    return result, uploads.followed.on_host(result)


def is_known(pair: tuple[Any, Any]) -> bool:
    there, here = pair
    if here is there:
        return False
    assert torch.equal(there.cpu(), here)
    return True


CHANGES: dict[str, Callable[[torch.Tensor], Any]] = {
    "in place": lambda there: there.mul_(2),
    "an element": lambda there: there.__setitem__(0, 5.0),
    "a view": lambda there: there[1:].zero_(),
    "an output": lambda there: torch.mul(there, 2, out=there),
    "cut": lambda there: there.resize_(2),
    "turned": lambda there: there.unsqueeze_(0),
    "other memory": lambda there: setattr(there, "data", there * 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_schedule_that_is_changed_while_it_is_made_is_not_known(change: str) -> None:
    def work(there: torch.Tensor) -> torch.Tensor:
        CHANGES[change](there)
        return there

    if change not in ("an element", "other memory"):  # the first is followed, nobody does the second in set_timesteps
        assert not is_known(uploaded(work))
        assert not is_known(uploaded(lambda there: torch.cat([work(there), there]) if there.dim() == 1 else there))


@pytest.mark.parametrize("index", [0, -1, slice(1, 3)])
def test_a_number_written_into_a_schedule_while_it_is_made_is_known(index: int | slice) -> None:
    assert is_known(uploaded(lambda there: [there.__setitem__(index, 5.0), there][1]))


@pytest.mark.parametrize("change", CHANGES)
def test_a_schedule_that_was_changed_has_no_twin(change: str) -> None:
    there, here = uploaded()
    remember(there, here)
    assert host_copy_of(there) is here
    CHANGES[change](there)
    assert host_copy_of(there) is None


def test_what_is_computed_from_an_upload_is_known() -> None:
    assert is_known(uploaded(lambda there: torch.cat([there[1:].flip(0) * 3, torch.zeros(1, device="cuda")]).to(torch.int64)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, -(2.0**63)])
def test_what_an_integer_cannot_hold_is_not_known(value: float) -> None:
    """Devices make different integers of it."""
    with Uploads(schedule_upload) as uploads:
        there = torch.tensor([value, 1.0]).to("cuda").to(torch.int64)
    assert uploads.followed.on_host(there) is there


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor(VALUES, requires_grad=True),
        torch.tensor(VALUES).as_subclass(Subclass),
        torch.tensor(VALUES).to_sparse(),
        torch.nn.Parameter(torch.tensor(VALUES)),
    ],
    ids=["gradients", "subclass", "sparse", "parameter"],
)
def test_what_is_no_plain_tensor_is_uploaded_by_upstream(values: torch.Tensor) -> None:
    assert schedule_upload(values, torch.device("cuda"), torch.float32) is NotImplemented
    uploads = Uploads(schedule_upload)
    expected = _ended(lambda: values.to("cuda"))
    with uploads:
        assert _ended(lambda: values.to("cuda")) == expected
    assert len(uploads.followed) == 0


def _ended(call: Callable[[], torch.Tensor]) -> Any:
    try:
        result = call()
    except (RuntimeError, NotImplementedError) as error:
        return str(error)
    return type(result), result.requires_grad, result.device, result.layout


def test_other_devices_than_cuda_are_upstream_s() -> None:
    assert schedule_upload(torch.tensor(VALUES), torch.device("meta"), torch.float32) is NotImplemented
    with Uploads(schedule_upload) as uploads:
        there = torch.tensor(VALUES).to("meta")
    assert uploads.followed.on_host(there) is there


@pytest.mark.sync_budget(0, poison=True)
@pytest.mark.parametrize("pinned", [False, True], ids=["pageable", "pinned"])
def test_values_may_be_changed_right_after_the_call(pinned: bool) -> None:
    values = torch.tensor(VALUES)
    values = values.pin_memory() if pinned else values
    there = schedule_upload(values, torch.device("cuda"), torch.float32)
    values.zero_()  # the upload may not have begun
    with allow("the result is looked at"):
        assert there.tolist() == VALUES
