"""A rank is killed or stopped in each phase of a toggle: the others keep their choice, or all find the same decision."""

from __future__ import annotations

import signal
import time

import pytest

from syncfree.control._decision import ABORT, COMMIT, new_decision
from syncfree.control._group import Ranks
from syncfree.control._parties import Parties
from tests.control.jobs import eventually
from tests.control.test_lockstep import REDUCE, well_served

from .machines import Cluster

REQUEST = {"ask": "toggle", "choices": {REDUCE: "upstream", "postprocess": "second"}, "for": ""}
PHASES = ("ready", "held")
SECONDS_STOPPED = 8.0
BEFORE = ["sync_free", "first"]
AFTER = ["upstream", "second"]


def begun(cluster: Cluster, phase: str, seconds: float) -> Parties:
    """A toggle on the first machine, as far as a phase: all ranks are ready, or are held at one call."""
    deadline = time.monotonic() + seconds
    parties = Parties(cluster.entries(), new_decision(), lambda: deadline - time.monotonic())
    answers = parties.begin(REQUEST)
    ranks = Ranks(answers)
    answers |= parties.reach(ranks.elsewhere(), ranks.leaders(), REQUEST)
    call = 0
    while phase == "held":
        standing = [answer["standing"] for answer in parties.ask({"hold": call}, "standing", answers).values()]
        if all(of["calls"] == call and of["held"] and not of["inside"] for of in standing):
            break
        furthest = max(of["calls"] for of in standing)
        call = furthest + 10 if furthest > call else call
        time.sleep(0.005)
    return parties


def of_rank(cluster: Cluster, rank: int) -> list[str]:
    told = cluster.members[rank].ask("report")["choices"]
    return [told[REDUCE], told["postprocess"]]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_before_the_decision_leaves_the_others_on_their_choice(cluster: Cluster, rank: int, phase: str) -> None:
    """Rank 0 is the leader and has the store."""
    cluster.started(2)
    parties = begun(cluster, phase, 8.0)
    cluster.signal(rank, signal.SIGKILL)
    parties.close()
    eventually(lambda: of_rank(cluster, 1 - rank) == BEFORE)
    outcome = cluster.toggle(2.0, machine=1 - rank, **{REDUCE: "upstream", "postprocess": "second"})
    assert not outcome.switched
    assert of_rank(cluster, 1 - rank) == BEFORE


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_stopped_finds_the_decision_when_it_goes_on(cluster: Cluster, rank: int) -> None:
    """While rank 0 is stopped, which has the store, rank 1 cannot read the decision, and guesses none."""
    cluster.started(2)
    for phase, outcome in [("ready", ABORT), ("held", ABORT), ("held", COMMIT)]:
        parties = begun(cluster, phase, 20.0)
        if outcome == COMMIT:
            assert parties.place.decide(COMMIT) == COMMIT
        cluster.signal(rank, signal.SIGSTOP)
        parties.close()
        time.sleep(SECONDS_STOPPED)
        expected = AFTER if outcome == COMMIT else BEFORE
        if rank == 1:
            eventually(lambda expected=expected: of_rank(cluster, 0) == expected, 60.0)
        cluster.signal(rank, signal.SIGCONT)
        eventually(lambda expected=expected: [of_rank(cluster, each) for each in (0, 1)] == [expected] * 2, 60.0)
    well_served(cluster.job.stop())


def test_a_rank_that_is_stopped_keeps_the_others_from_switching(cluster: Cluster) -> None:
    cluster.started(2)
    cluster.signal(1, signal.SIGSTOP)
    outcome = cluster.toggle(2.0, **{REDUCE: "upstream"})
    cluster.signal(1, signal.SIGCONT)
    (problem,) = outcome.problems
    assert problem.startswith("rank 1 (pid ")
    assert problem.endswith(" on second-machine): no answer in time")
    eventually(lambda: cluster.toggle(5.0, **{REDUCE: "upstream"}).switched, 60.0)
    assert cluster.choices(REDUCE) == [["upstream"]] * 2
    well_served(cluster.job.stop())


def test_a_cable_that_is_cut_switches_nothing(cluster: Cluster) -> None:
    cluster.started(2)
    cluster.machines[0].run("ip", "link", "set", "cable", "down")
    outcome = cluster.toggle(3.0, **{REDUCE: "upstream", "postprocess": "second"})
    assert not outcome.switched
    assert [of_rank(cluster, rank) for rank in (0, 1)] == [BEFORE] * 2
    cluster.machines[0].run("ip", "link", "set", "cable", "up")
    eventually(lambda: cluster.toggle(5.0, **{REDUCE: "upstream", "postprocess": "second"}).switched, 120.0)
    assert [of_rank(cluster, rank) for rank in (0, 1)] == [AFTER] * 2
    well_served(cluster.job.stop())
