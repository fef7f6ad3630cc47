"""``shm_mailbox``: the exchange itself, and how it ends when something is wrong. The stated times are in docs/shm-mailbox.md."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from syncfree._plugins import Plugins
from syncfree.hooks import HOOKS
from syncfree.plugins.shm_mailbox._mailbox import BIAS, MOST, WORDS, Mailbox, payload_bytes
from syncfree.plugins.shm_mailbox._segment import HEADER_BYTES, Reason, Segment, SegmentError
from syncfree.plugins.shm_mailbox.dp_all_reduce import dp_all_reduce

from .support import mailbox_on_ranks as on_ranks
from .support.gloo_ranks import GlooRanks, gloo_ranks

LOST_S = 1.0
"""A rank that ends is told to the others within this time."""


@pytest.fixture(scope="module")
def ranks() -> Iterator[GlooRanks]:
    with gloo_ranks(3) as pool:
        yield pool


@pytest.mark.parametrize("seed", range(4))
def test_no_step_gets_numbers_of_another_one(ranks: GlooRanks, seed: int) -> None:
    assert ranks.call(on_ranks.many_steps, seed) == [on_ranks.MANY_STEPS] * ranks.size


def test_the_number_of_the_step_may_start_again(ranks: GlooRanks) -> None:
    steps = 6
    expected = [[[step] * 3, [0, 1, 2]] for step in range(steps)]
    assert ranks.call(on_ranks.across_the_last_step, steps) == [expected] * 3


def test_a_waiting_rank_costs_no_core(ranks: GlooRanks) -> None:
    spent = [max(ranks.call(on_ranks.processor_seconds_of_waiting, 2, 1.0)) for _ in range(3)]
    assert min(spent) < 0.05  # a machine that is short of memory charges page faults to whoever runs


def test_nothing_in_the_file_system_is_opened_but_the_first_ranks_memory(ranks: GlooRanks) -> None:
    """So a full /dev/shm, what a crash left there, or somebody else's file of any name cannot matter."""
    first, *others = ranks.call(on_ranks.files_opened)
    assert first == []
    for (path,) in others:
        assert path.startswith(f"/proc/{ranks.call(on_ranks.process)[0]}/fd/")


def test_a_group_that_is_gone_leaves_no_descriptor(ranks: GlooRanks) -> None:
    for before, after in ranks.call(on_ranks.descriptors_after_groups, 4):
        assert after <= before


def test_a_killed_rank_is_told_to_all_others_in_time_though_a_child_of_it_lives_on() -> None:
    with gloo_ranks(3) as ranks:
        processes = ranks.call(on_ranks.process)
        ended = ranks.survivors(on_ranks.killed_in_a_step, 1)
    assert sorted(ended) == [0, 2]
    for now, later in ended.values():
        assert now.error.startswith("RankLostError: syncfree: shm_mailbox, rank ")
        assert f"rank 1 (process {processes[1]}) ended or gave up before step 2" in now.error
        assert now.seconds < 0.3 + LOST_S
        assert later.error == now.error
        assert later.seconds < 0.1


def test_a_rank_that_is_killed_before_it_agrees_is_an_error_in_time() -> None:
    with gloo_ranks(2) as ranks:
        (ended,) = ranks.survivors(on_ranks.missing_at_the_agreement, 1, 60.0, True).values()
    assert "a rank ended, stalls, or has another choice" in ended.error
    assert ended.seconds < LOST_S


def test_after_a_crash_of_every_rank_new_ranks_begin_anew() -> None:
    with gloo_ranks(2) as ranks:
        assert ranks.survivors(on_ranks.all_killed) == {}
    with gloo_ranks(2) as ranks:
        assert ranks.call(on_ranks.many_steps, 0) == [on_ranks.MANY_STEPS] * 2


def test_a_stalled_rank_is_an_error_after_the_limit_and_hears_of_it_when_it_comes(ranks: GlooRanks) -> None:
    *waiting, (step, after) = ranks.call(on_ranks.stalled, 2, 1.0, 3.0)
    for now, _ in waiting:
        assert "rank 2" in now.error
        assert "did not come to step 2 within 1 s" in now.error
        assert 1.0 < now.seconds < 1.0 + LOST_S
    assert step.error == ""  # the others had given their numbers of that step
    assert "ended or gave up before step 3" in after.error
    assert after.seconds < LOST_S


def test_ranks_may_come_seconds_apart(ranks: GlooRanks) -> None:
    ended = ranks.call(on_ranks.first_exchange_after, {1: 2.0, 2: 3.0})
    assert [one.error for one in ended] == [""] * 3
    assert 2.5 < ended[0].seconds < 10


def test_a_rank_that_does_not_come_to_the_agreement_is_an_error_after_the_limit(ranks: GlooRanks) -> None:
    *waiting, _ = ranks.call(on_ranks.missing_at_the_agreement, 2, 1.0, False)
    for ended in waiting:
        assert "a rank ended, stalls, or has another choice" in ended.error
        assert ended.seconds < 1.0 + LOST_S


@pytest.mark.parametrize("chosen", [[0, 2], [1]])
@pytest.mark.parametrize("release", ["0.21.0", "0.32.0"])
def test_different_choices_are_an_error_that_names_the_ranks(ranks: GlooRanks, release: str, chosen: list[int]) -> None:
    others = {0: "rank 1", 1: "ranks 0, 2"}[chosen[0]]
    ended = ranks.call(on_ranks.different_choices, chosen, release)
    for rank in chosen:
        assert f"dp_all_reduce is shm_mailbox here, but not on {others}: " in ended[rank].error
        assert ended[rank].seconds < 10


@pytest.mark.parametrize(
    ("situation", "message"),
    [
        ((on_ranks.without_memory, 0), "rank 0 cannot make the shared memory (File too large)"),
        ((on_ranks.in_other_containers,), "it runs on another machine or in another container"),
    ],
)
def test_no_rank_uses_it_when_one_cannot(ranks: GlooRanks, situation: tuple[Any, ...], message: str) -> None:
    for both in ranks.call(*situation):
        for ended in both:
            assert "needs all ranks on one machine, sharing memory, so no rank uses it: " in ended.error
            assert message in ended.error
            assert ended.seconds < 10


def test_ranks_that_give_different_numbers_of_integers_are_told(ranks: GlooRanks) -> None:
    first, *others = ranks.call(on_ranks.different_numbers)
    assert "rank 1 gave 2 integers where rank 0 gave 1" in first.error
    assert all(other.error for other in others)


def test_a_forked_child_cannot_take_part_and_does_not_disturb(ranks: GlooRanks) -> None:
    for error in ranks.call(on_ranks.in_a_fork):
        assert "was forked from rank" in error


def test_words_that_lag_behind_the_first_one_are_waited_for() -> None:
    """What a processor that reorders stores may show: the first word of a step is there, another one is not yet."""
    segment = Segment.create(payload_bytes(2))
    mailbox = Mailbox(segment, 0, (os.getpid(), os.getpid()))
    words = segment.memory.cast("Q")
    tag = 1 << 4 | 2
    theirs = 2 * WORDS + WORDS  # half 1, slot 1
    words[theirs] = (tag << 32) + BIAS + 7
    looks = iter(range(3))

    class Lagging:
        """The slot of rank 1, whose second word appears at the third look."""

        def __getitem__(self, index: int | slice) -> int | memoryview:
            if isinstance(index, slice) and next(looks) == 2:
                words[theirs + 1] = (tag << 32) + BIAS - 8
            return words[theirs : theirs + WORDS][index]

    views, doors = mailbox._halves[1]
    mailbox._halves = (mailbox._halves[0], ([views[0], Lagging()], doors))  # type: ignore[list-item]
    assert mailbox.exchange((1, 2)) == [[1, 2], [7, -8]]


@pytest.mark.parametrize(
    "local", [*on_ranks.REFUSED.values(), (), range(MOST + 1), ""], ids=[*on_ranks.REFUSED, "none", "too many", "empty text"]
)
def test_what_is_not_exchanged_is_refused_before_anything_is_given(local: Any) -> None:
    segment = Segment.create(payload_bytes(1))
    mailbox = Mailbox(segment, 0, (os.getpid(),))
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match="syncfree: shm_mailbox exchanges "):
            mailbox.exchange(local)
    assert not any(segment.memory)
    assert mailbox.exchange((5,)) == [[5]]


@pytest.mark.parametrize("first", [True, False], ids=["before the ranks agreed", "between steps"])
def test_a_refused_call_leaves_all_ranks_in_step(first: bool) -> None:
    with gloo_ranks(2) as ranks:
        refusing, other = ranks.call(on_ranks.refused, 1, first)[::-1]
    expected = [[[step] * 2, [0, 1]] for step in range(len(on_ranks.REFUSED))]
    assert [columns for _, _, columns in refusing] == expected
    assert [columns for _, _, columns in other] == expected
    assert [what for what, error, _ in refusing if "shm_mailbox exchanges integers within int32, not [" not in error] == []


def test_integers_of_any_type_are_exchanged_as_they_are(ranks: GlooRanks) -> None:
    expected = [[[int(value)] * 3 for value in local] for local in on_ranks.INTEGERS]
    assert ranks.call(on_ranks.of_other_types) == [expected] * 3


def test_a_group_of_one_refuses_what_a_larger_one_refuses() -> None:
    for local in on_ranks.REFUSED.values():
        with pytest.raises((TypeError, ValueError), match="within int32"):
            dp_all_reduce(local, 0, 1, None, "cpu")


@pytest.fixture
def segment() -> Segment:
    return Segment.create(payload_bytes(2))


def attach(segment: Segment, nonce: bytes | None = None, number: int | None = None, process: int | None = None) -> Reason:
    with pytest.raises(SegmentError) as caught:
        Segment.attach(
            os.getpid() if process is None else process,
            segment.descriptor if number is None else number,
            segment.nonce if nonce is None else nonce,
            payload_bytes(2),
            rank=1,
        )
    return caught.value.reason


def test_memory_with_another_nonce_is_refused(segment: Segment) -> None:
    assert attach(segment, nonce=bytes(16)) is Reason.FOREIGN


def test_a_pipe_in_the_place_of_the_memory_is_not_opened(segment: Segment) -> None:
    reading, writing = os.pipe()
    assert attach(segment, number=reading) is Reason.FOREIGN
    os.close(reading)
    os.close(writing)


def test_the_memory_of_a_process_that_is_not_here_is_refused(segment: Segment) -> None:
    assert attach(segment, process=2**22 + 1) is Reason.NOT_REACHED


def test_the_memory_of_another_user_is_refused(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert attach(segment) is Reason.OTHER_USER


def test_memory_that_the_kernel_does_not_open_is_another_users(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "readlink", refuse)
    assert attach(segment) is Reason.OTHER_USER


def test_the_memory_is_private_nameless_and_of_fixed_size(segment: Segment) -> None:
    status = os.fstat(segment.descriptor)
    assert (status.st_mode & 0o777, status.st_nlink, status.st_uid) == (0o600, 0, os.geteuid())
    for size in (0, 2 * HEADER_BYTES + status.st_size):
        with pytest.raises(PermissionError):
            os.ftruncate(segment.descriptor, size)


def test_it_is_never_the_default() -> None:
    for selection in ((), ("shm_mailbox",), ("-sync_free",)):
        denied = frozenset(name[1:] for name in selection if name.startswith("-"))
        plugins = Plugins(HOOKS, tuple(name for name in selection if not name.startswith("-")), denied)
        plugins.discover()
        defaults = [found.plugin for found in plugins.candidates("dp_all_reduce") if found.declaration.exact]
        assert "shm_mailbox" not in defaults
        assert plugins.implementations["dp_all_reduce"]["shm_mailbox"].declaration.lockstep
