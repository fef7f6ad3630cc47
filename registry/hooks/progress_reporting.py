"""Contract of ``progress_reporting``: one bar per denoising job, however many processes denoise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Bar(Protocol):
    """A tqdm-compatible class, called to make a bar.

    ``disable=True`` makes one that shows nothing and still iterates.
    """

    def __call__(self, *, iterable: Iterable[Any] | None, total: int | None, **options: Any) -> Any:
        """Make a bar."""


@hookspec
def progress_reporting(
    iterable: Iterable[Any] | None, total: int | None, rank: int | None, bar: Bar, options: Mapping[str, Any]
) -> Any:
    """Make the progress bar of one loop, shown by the job's first rank only.

    It never touches a device and has no part in the numbers.

    Args:
        iterable: what the loop iterates over, or None for a bar that is advanced by hand. It is not consumed here.
        total: the number of steps, or None to take it from the iterable.
        rank: this process's rank in the whole job (not on its node); None while there is no process group, when the process
            stands alone and shows its bar.
        bar: the framework's own bar class.
        options: further keyword arguments of the bar. A bar that they disable stays disabled on every rank.

    Returns:
        What ``bar`` makes, on every rank: loops use it as a context manager, iterate over it and call ``update``.

    Raises:
        Exception: whatever ``bar`` raises.

    Mutates:
        No argument; the bar writes to the terminal.

    Source:
        SGLang ``runtime/pipelines_core/stages/base.py``; #27041 (0.5.13). diffusers ``pipelines/pipeline_utils.py`` (0.37.0).
    """
    # The reference: SGLang's rule of 0.5.13, word for word: disabled by the caller, or off the main rank.
    disabled_by_caller = options.get("disable", False)
    is_main_rank = rank is None or rank == 0
    others = {name: value for name, value in options.items() if name != "disable"}
    return bar(iterable=iterable, total=total, disable=disabled_by_caller or not is_main_rank, **others)


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate loops with and without an iterable, on any rank, with a bar that records what it was made with."""
    from hypothesis import strategies as st

    options = st.fixed_dictionaries(
        {}, optional={"disable": st.booleans(), "desc": st.text(max_size=5), "leave": st.booleans()}
    )
    return st.fixed_dictionaries(
        {
            "iterable": st.none() | st.lists(st.integers(), max_size=5),
            "total": st.none() | st.integers(0, 100),
            "rank": st.none() | st.integers(0, 15),
            "bar": st.just(_Made),
            "options": options,
        }
    )


class _Made(SimpleNamespace):
    """A bar that records what it was made with; like tqdm's, it is shown unless it is told otherwise."""

    def __init__(self, *, disable: bool = False, **options: Any) -> None:
        super().__init__(disable=bool(disable), **options)


HOOK = Hook(
    name="progress_reporting",
    spec=progress_reporting,
    reference=progress_reporting,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a bar is shown or it is not; no number depends on it"),
    summary="one progress bar per job, on its first rank",
    pure=False,
)
