"""`progress_reporting`: ours against the reference, and against the progress bars of real SGLang releases."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from tqdm import tqdm

from syncfree.adapters.sglang import progress_reporting as adapter
from syncfree.adapting import Binding
from syncfree.hooks.progress_reporting import HOOK
from syncfree.plugins.sync_free.progress_reporting import progress_reporting
from tests.contract.support.upstream_source import functions
from tests.environments import unpacked

PER_STAGE = ("0.5.9", "0.5.11", "0.5.12.post1")
ALL_STAGES = ("0.5.13", "0.5.14", "0.5.23")


class Bars:
    """A tqdm that writes to a string, without times."""

    def __init__(self) -> None:
        self.output = io.StringIO()

    def __call__(self, *arguments: Any, **options: Any) -> tqdm[Any]:
        return tqdm(*arguments, **options, file=self.output, mininterval=0, bar_format="{desc}{n_fmt}/{total_fmt}")

    def text(self) -> str:
        return re.sub(r"\s+", " ", self.output.getvalue())


def world(rank: int, local_rank: int) -> SimpleNamespace:
    return SimpleNamespace(rank=rank, local_rank=local_rank)


def upstream(binding: Binding, release: str, bars: Bars, group: Any) -> Callable[..., Any]:
    """The real method of a release, in a process whose world group is `group`."""
    module, qualname = binding.targets[0].split(":")
    file = (unpacked("sglang", release) / module.replace(".", "/")).with_suffix(".py")
    parallel_state: dict[str, Any] = {"_WORLD": group}
    exec("def get_world_group():\n assert _WORLD is not None\n return _WORLD\n", parallel_state)
    namespace = {
        "tqdm": bars,
        "get_world_group": parallel_state["get_world_group"],
        "world_group_is_initialized": lambda: group is not None,
        "get_world_rank": lambda: group.rank,
    }
    if release == "0.5.23":
        namespace["get_progress_reporter"] = lambda: None
    return functions(file, [qualname], namespace)["progress_bar"]  # type: ignore[no-any-return]


def ours(binding: Binding, release: str, bars: Bars, group: Any) -> Callable[..., Any]:
    form = next(form for form in binding.forms if SpecifierSet(form.releases).contains(release))
    assert form.compose is not None
    return form.compose[0](progress_reporting, upstream(binding, release, bars, group))


def shown(make: Callable[..., Callable[..., Any]], binding: Binding, release: str, group: Any, **options: Any) -> str:
    """Return what a loop of three steps writes, driven by hand as the denoising loop does."""
    bars = Bars()
    with make(binding, release, bars, group)(SimpleNamespace(), total=3, **options) as bar:
        for _ in range(3):
            bar.update()
    return bars.text()


@given(arguments=HOOK.inputs())
def test_the_bar_is_made_as_the_reference_makes_it(arguments: dict[str, Any]) -> None:
    made, expected = progress_reporting(**arguments), HOOK.reference(**arguments)
    assert made.__dict__ | {"disable": bool(made.__dict__.get("disable"))} == expected.__dict__


def test_the_iterable_is_passed_on_unread() -> None:
    steps = iter([1, 2, 3])
    assert list(progress_reporting(steps, None, 0, Bars(), {})) == [1, 2, 3]


@pytest.mark.parametrize("release", PER_STAGE)
@pytest.mark.parametrize("binding", [adapter.DENOISING, adapter.MOVA], ids=["denoising", "mova"])
@pytest.mark.parametrize("rank", [0, 1])
def test_on_one_node_the_same_is_shown_as_upstream_shows(release: str, binding: Binding, rank: int) -> None:
    group = world(rank, local_rank=rank)
    assert shown(ours, binding, release, group) == shown(upstream, binding, release, group)


@pytest.mark.parametrize("release", PER_STAGE)
def test_the_first_rank_of_a_second_node_shows_a_bar_in_upstream_and_none_in_ours(release: str) -> None:
    second_node = world(rank=8, local_rank=0)
    assert "3/3" in shown(upstream, adapter.DENOISING, release, second_node)
    assert shown(ours, adapter.DENOISING, release, second_node) == ""


@pytest.mark.parametrize("release", PER_STAGE)
def test_before_process_groups_exist_upstream_fails_and_ours_shows_its_bar(release: str) -> None:
    with pytest.raises(AssertionError):
        shown(upstream, adapter.DENOISING, release, None)
    assert "3/3" in shown(ours, adapter.DENOISING, release, None)


@pytest.mark.parametrize("release", ALL_STAGES)
@given(
    group=st.none() | st.builds(world, rank=st.integers(0, 3), local_rank=st.integers(0, 1)),
    options=st.fixed_dictionaries({}, optional={"disable": st.booleans(), "desc": st.text("ab", max_size=3)}),
    warmup=st.none() | st.booleans(),
)
@settings(deadline=None)  # the first example may fetch the release
def test_from_0_5_13_ours_shows_what_upstream_shows(
    release: str, group: Any, options: dict[str, Any], warmup: bool | None
) -> None:
    if release != "0.5.13":
        options["batch"] = None if warmup is None else SimpleNamespace(is_warmup=warmup, report_progress=False)
    binding = adapter.ALL_STAGES
    assert shown(ours, binding, release, group, **options) == shown(upstream, binding, release, group, **options)


def test_a_bar_that_reports_to_a_client_stays_upstream_s() -> None:
    make = ours(adapter.ALL_STAGES, "0.5.23", Bars(), world(0, 0))
    batch = SimpleNamespace(is_warmup=False, report_progress=True)
    assert make(SimpleNamespace(), total=3, batch=batch) is NotImplemented
