"""`progress_reporting` in diffusers' pipelines: ours in 0.36.0 against what 0.37.0 does itself."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed

from syncfree.adapters.diffusers.progress_reporting import BINDING
from syncfree.plugins.sync_free.progress_reporting import progress_reporting
from tests.contract.support.upstream_source import functions
from tests.environments import unpacked


def upstream(release: str, rank: int | None) -> Callable[..., Any]:
    """The release's real method, in a process of that rank; what it gives is what tqdm was called with."""
    file = unpacked("diffusers", release) / "diffusers/pipelines/pipeline_utils.py"
    namespace = {
        "torch": torch,
        "tqdm": lambda iterable=None, **options: (
            iterable,
            options.pop("total", None),
            options.pop("disable", False),
            options,
        ),
        "is_torch_dist_rank_zero": lambda: not rank,
    }
    return functions(file, ["DiffusionPipeline.progress_bar"], namespace)["progress_bar"]  # type: ignore[no-any-return]


def ours(rank: int | None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(distributed, "is_initialized", lambda: rank is not None)
    monkeypatch.setattr(distributed, "get_rank", lambda: rank)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 10)
    compose = BINDING.forms[0].compose
    assert compose is not None
    return compose[0](progress_reporting, upstream("0.36.0", rank))


@pytest.mark.parametrize("rank", [None, 0, 1, 9])
@pytest.mark.parametrize("loop", [{"iterable": "abc"}, {"total": 3}, {"iterable": "abc", "total": 3}])
@pytest.mark.parametrize("config", [None, {}, {"desc": "steps", "leave": False}])
def test_the_bar_is_the_one_that_0_37_makes(
    rank: int | None, loop: dict[str, Any], config: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = SimpleNamespace() if config is None else SimpleNamespace(_progress_bar_config=config)
    found = ours(rank, monkeypatch)(pipeline, **loop)
    assert found == upstream("0.37.0", rank)(pipeline, **loop)
    assert found[2] is bool(rank)


@pytest.mark.parametrize("config", [{"disable": True}, {"disable": False}, [], "quiet"])
def test_what_the_user_configured_is_left_to_upstream(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ours(1, monkeypatch)(SimpleNamespace(_progress_bar_config=config), iterable="abc") is NotImplemented


def test_no_loop_is_left_to_upstream_which_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ours(0, monkeypatch)(SimpleNamespace()) is NotImplemented
    with pytest.raises(ValueError, match="Either `total` or `iterable`"):
        upstream("0.36.0", 0)(SimpleNamespace())


def test_before_0_37_every_rank_shows_a_bar() -> None:
    assert upstream("0.36.0", 1)(SimpleNamespace(), total=3)[2] is False
