"""A toggle on one machine switches the ranks of all machines: lockstep hooks at the same call, others all or none."""

from __future__ import annotations

from itertools import cycle, islice

import pytest

from tests.control.jobs import eventually
from tests.control.test_lockstep import EXCHANGE, REDUCE, well_served

from .machines import Cluster

ROUND = (
    {REDUCE: "upstream"},
    {EXCHANGE: "packed_all_to_all"},
    {"postprocess": "second"},
    {REDUCE: "auto"},
    {EXCHANGE: "upstream", REDUCE: "sync_free"},
    {EXCHANGE: "sync_free", "postprocess": "first"},
)


@pytest.mark.parametrize("size", [2, 4])
def test_many_toggles_while_steps_run_neither_hang_nor_mix(cluster: Cluster, size: int, request: pytest.FixtureRequest) -> None:
    cluster.started(size)
    number = 100 if request.config.getoption("--many") else 24 // size
    for turn, choice in enumerate(islice(cycle(ROUND), number)):
        outcome = cluster.toggle(machine=turn % 2, **choice)
        assert outcome.switched, outcome
        assert len(outcome.elsewhere) == size // 2
        assert len({tuple(of) for of in cluster.choices(REDUCE, EXCHANGE, "postprocess")}) == 1
    well_served(cluster.job.stop())


def test_shared_memory_is_refused_and_auto_becomes_upstream_s_exchange(cluster: Cluster) -> None:
    cluster.started(2)
    outcome = cluster.toggle(**{REDUCE: "shm_mailbox"})
    assert outcome.problems == ("dp_all_reduce=shm_mailbox needs all ranks on one machine, sharing memory, and these run on several",)
    assert cluster.choices(REDUCE) == [["sync_free"]] * 2
    assert cluster.toggle(**{REDUCE: "auto"}).switched
    before = cluster.members[0].ask("report")["done"]
    eventually(lambda: cluster.members[0].ask("report")["done"] > before + 20, 120.0)
    told = cluster.job.stop()
    well_served(told)
    assert told[0]["counts"][REDUCE]["auto"] > 15
    assert told[0]["declines"][REDUCE]["auto"] == told[0]["counts"][REDUCE]["auto"]


def test_commands_say_who_took_part(cluster: Cluster) -> None:
    cluster.started(2)
    ended = cluster.command(1, "toggle", f"{REDUCE}=upstream")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 process and 1 on other machines: dp_all_reduce=upstream" in ended.stdout
    assert cluster.choices(REDUCE) == [["upstream"]] * 2
    shown = cluster.command(0, "ps")
    assert shown.returncode == 0
    assert "rank 1: pid " in shown.stdout
    assert "on second-machine" in shown.stdout
    well_served(cluster.job.stop())
