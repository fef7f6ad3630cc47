"""The key of a table of coefficients holds everything that they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.hooks import scheduler_step as contract
from syncfree.hooks.scheduler_step import MultistepUpdate
from syncfree.plugins.coefficient_table import _tables
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table
from syncfree.plugins.sync_free.scheduler_step import Coefficients, coefficients, is_ordinary_update, is_solvable
from syncfree.plugins.sync_free.scheduler_step import scheduler_step as sync_free

from .fuzz.observed import frozen

Situation = tuple[MultistepUpdate, Callable[[], AbstractContextManager[Any]]]


@contextmanager
def setting(name: str, value: Any, usual: Any) -> Iterator[None]:
    getattr(torch, name)(value)
    try:
        yield
    finally:
        getattr(torch, name)(usual)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "float64": partial(setting, "set_default_dtype", torch.float64, torch.float32),
    "float16": partial(setting, "set_default_dtype", torch.float16, torch.float32),
    "deterministic": partial(setting, "use_deterministic_algorithms", True, False),
    "flushing": partial(setting, "set_flush_denormal", True, False),
    "two threads": partial(setting, "set_num_threads", 2, 1),
    "tf32": partial(setting, "set_float32_matmul_precision", "high", "highest"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": partial(torch.autocast, "cpu", torch.bfloat16),
    "meta by default": partial(torch.device, "meta"),
}
VALUES: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda sigmas: sigmas,
    lambda sigmas: sigmas.clone(),
    lambda sigmas: torch.stack([sigmas, sigmas], dim=-1)[..., 0],
    lambda sigmas: sigmas[None],
    lambda sigmas: sigmas[:, None],
    lambda sigmas: sigmas.double(),
    lambda sigmas: sigmas.flatten().contiguous().view(torch.float64) if sigmas.nbytes % 8 == 0 else sigmas.half(),
    lambda sigmas: sigmas * 0.9,
    lambda sigmas: sigmas * 1e-40,
    lambda sigmas: sigmas * 1e-37,
    lambda sigmas: torch.where(sigmas == 0, -0.0, sigmas),
    lambda sigmas: torch.where(sigmas == 0, float("nan"), sigmas),
    lambda sigmas: torch.cat([sigmas, sigmas[-1:]]),
    lambda sigmas: torch.nn.Parameter(sigmas, requires_grad=False),
    lambda sigmas: sigmas.to("meta"),
)
"""Sigmas that have something in common with others: values, bytes, or neither."""
FIELDS: dict[str, tuple[Any, ...]] = {
    "start": (0, 1, 2, 3, -1),
    "order": (1, 2, 3),
    "solver_type": ("bh1", "bh2"),
    "predict_x0": (True, False),
    "schedule": ("flow", "clamped_flow", "vp"),
    "scalars_follow": ("sigmas", "sample"),
    "pair": ("solve", "cramer"),
    "rounds_step": (True, False),
}
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64)


def of_dtype(update: MultistepUpdate, dtype: torch.dtype) -> MultistepUpdate:
    output = update.model_output
    return update._replace(
        sample=update.sample.to(dtype),
        history=tuple(one.to(dtype) for one in update.history),
        model_output=None if output is None else output.to(dtype),
    )


def of_order(update: MultistepUpdate, order: int) -> MultistepUpdate:
    return update._replace(order=order, history=(update.history * 3)[-order:])


@st.composite
def situations(draw: st.DrawFn) -> list[Situation]:
    """An update and some that differ from it in a field or two, each in surroundings of its own."""
    first: MultistepUpdate = draw(contract.inputs())["update"]
    found = [(first, nullcontext)]
    for _ in range(draw(st.integers(1, 4))):
        update = first
        for _ in range(draw(st.integers(0, 2))):
            update = _changed(draw, update)
        found.append((update, SURROUNDINGS[draw(st.sampled_from(tuple(SURROUNDINGS)))]))
    return found


def _changed(draw: st.DrawFn, update: MultistepUpdate) -> MultistepUpdate:
    what = draw(st.sampled_from(("sigmas", "sigmas", "dtype", "phase", *FIELDS)))
    if what == "sigmas":
        return update._replace(sigmas=draw(st.sampled_from(VALUES))(update.sigmas))
    if what == "dtype":
        return of_dtype(update, draw(st.sampled_from(DTYPES)))
    if what == "phase":
        output = None if update.model_output is not None else update.sample * 0.5
        return update._replace(phase="predictor" if output is None else "corrector", model_output=output)
    value = draw(st.sampled_from(FIELDS[what]))
    return of_order(update, value) if what == "order" else update._replace(**{what: value})


def key_of(update: MultistepUpdate) -> Any:
    table = _tables.table_of(update)
    return None if table is None else (id(table), update.start, _tables.form_of(update))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What `SURROUNDINGS` returns to."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@settings(max_examples=500, deadline=None)
@given(situations())
def test_situations_of_one_key_have_the_same_coefficients(situations: list[Situation]) -> None:
    by_key: dict[Any, tuple[Any, MultistepUpdate]] = {}
    for update, surroundings in situations:
        if not is_ordinary_update(update) or not is_solvable(update):
            continue
        with surroundings():
            key = key_of(update)
            found = frozen(_computed_afresh(update), inference=False)
        if key is not None:
            before, _ = by_key.setdefault(key, (found, update))
            assert found == before


@pytest.mark.parametrize("factor", [1e-40, 1e-44, 1e30, 1e32])
@pytest.mark.parametrize("flushed", [True, False])
def test_sigmas_that_flushing_changes_get_no_table_also_where_it_is_on(factor: float, flushed: bool) -> None:
    update = example()
    tiny = update._replace(sigmas=update.sigmas * factor)
    with setting("set_flush_denormal", flushed, False):
        _tables._by_content.cache_clear()
        assert (key_of(tiny) is None) == (factor != 1e30)
        assert key_of(update) is not None


def _computed_afresh(update: MultistepUpdate) -> Any:
    try:
        return coefficients(update)
    except torch.linalg.LinAlgError as error:  # the host solves by upstream's solve
        return str(error)


@settings(max_examples=500, deadline=None)
@given(situations())
def test_what_a_table_holds_from_before_never_changes_a_result(situations: list[Situation]) -> None:
    for update, surroundings in situations:
        with surroundings():
            expected, found = _ended(sync_free, update), _ended(coefficient_table, update)
        assert found == expected


def _ended(step: Callable[..., Any], update: MultistepUpdate) -> Any:
    try:
        return frozen(step(update))
    except (RuntimeError, torch.linalg.LinAlgError) as error:
        return f"{type(error).__name__}: {error}"


def example() -> MultistepUpdate:
    sample = torch.ones(1, 4, 2)
    sigmas = torch.tensor([0.9, 0.6, 0.3, 0.1, 0.0])
    return MultistepUpdate("predictor", 2, "bh2", True, "flow", sigmas, 1, "sigmas", (sample, sample * 2), sample)


@pytest.mark.parametrize("values", VALUES[3:5])
@pytest.mark.parametrize("step", [sync_free, coefficient_table])
def test_sigmas_of_two_dimensions_are_declined_and_leave_nothing_behind(
    step: Callable[..., Any], values: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    plain = example()
    _tables._by_content.cache_clear()
    assert step(plain._replace(sigmas=values(plain.sigmas))) is NotImplemented
    assert torch.equal(step(plain), sync_free(plain))
    assert step(plain._replace(sigmas=values(plain.sigmas))) is NotImplemented


@pytest.mark.parametrize("step", [sync_free, coefficient_table])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_samples_that_are_not_of_floats_are_declined(step: Callable[..., Any], dtype: torch.dtype) -> None:
    assert step(of_dtype(example(), dtype)) is NotImplemented


@pytest.mark.parametrize("step", [sync_free, coefficient_table])
def test_meta_tensors_are_declined(step: Callable[..., Any]) -> None:
    update = example()
    history = tuple(one.to("meta") for one in update.history)
    there = update._replace(sample=update.sample.to("meta"), history=history)
    assert step(there) is NotImplemented
    assert step(there._replace(sigmas=update.sigmas.to("meta"))) is NotImplemented
    assert step(update._replace(history=(update.history[0], history[1]))) is NotImplemented


def test_sigmas_with_sub_normal_numbers_have_no_table() -> None:
    """They are 0 for a thread that flushes them and not for another, and torch does not say which does."""
    update = example()
    assert _tables.table_of(update) is not None
    assert _tables.table_of(update._replace(sigmas=update.sigmas * 1e-38)) is None


def test_scalars_that_a_users_mode_made_something_else_of_are_not_kept() -> None:
    class Marked(torch.Tensor):
        pass

    class Marking(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            return result.as_subclass(Marked) if isinstance(result, torch.Tensor) else result

    update = example()._replace(sigmas=example().sigmas * 0.7)
    with Marking():
        coefficient_table(update)
    assert type(coefficient_table(update)) is torch.Tensor


def test_the_page_of_the_key_names_every_field() -> None:
    """A field that is added to the contract has to be thought of here."""
    assert set(MultistepUpdate._fields) == {*FIELDS, "phase", "sigmas", "history", "sample", "model_output", "host_sigmas"}
    assert Coefficients._fields == ("sample", "newest", "change", "ratios", "older", "current")
