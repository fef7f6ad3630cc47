"""The ranks of a job that a toggle reaches, from the answers of its processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._parties import Failed

_SHOWN = 8


class Ranks:
    """The ranks among some processes, and those of their process groups that are elsewhere.

    Args:
        answers: the processes' readiness, by name.
    """

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self._answers = answers
        self._ranks = {name: answer for name, answer in answers.items() if answer["rank"]}
        self._present = {answer["rank"][0] for answer in self._ranks.values()}
        size = max((answer["rank"][1] for answer in self._ranks.values()), default=0)
        self._size = size
        self._missing = [rank for rank in range(size) if rank not in self._present]
        self._groups = {answer["group"]["name"]: answer["group"] for answer in self._ranks.values() if answer["group"]}

    def elsewhere(self) -> dict[int, str]:
        """Return the ranks that follow through the job's store, with a name for messages.

        Raises:
            Failed: there are several such process groups, which have no store in common.
        """
        if not self._missing or not self._groups:
            return {}
        if len(self._groups) > 1:
            raise Failed(
                [
                    "the job's ranks here belong to several process groups with ranks elsewhere: give each its own SYNCFREE_JOB"
                ]
            )
        (group,) = self._groups.values()
        return {
            rank: f"rank {rank} (pid {told['pid']} on {told['host']})"
            for rank in self._missing
            if (told := group["ranks"].get(str(rank))) is not None
        }

    def leaders(self) -> dict[str, int]:
        """Return the parties that are in the group with ranks elsewhere, with their ranks."""
        return {name: answer["rank"][0] for name, answer in self._ranks.items() if answer["group"]}

    def notes(self) -> list[str]:
        """Return which ranks take no part in a toggle of ordinary hooks."""
        return [f"not switched: {self._unreached()}"] if self._unfollowed() else []

    def problems_in_lockstep(self) -> list[str]:
        """Return why these ranks cannot be switched together; `answers` are of all who take part."""
        problems = []
        if self._missing:
            problems.append(
                f"{self._unreached()}: hooks in lockstep are switched among all ranks, those of other machines through the "
                "TCPStore of torch's default process group; elsewhere call syncfree.use(..., all_ranks=True)"
            )
        if len({answer["machine"] for answer in self._ranks.values()}) > 1:
            sharing = sorted({choice for answer in self._ranks.values() for choice in answer["sharing"]})
            problems += [
                f"{choice} needs all ranks on one machine, sharing memory, and these run on several" for choice in sharing
            ]
        chosen = {tuple(sorted(answer["lockstep"].items())) for answer in self._ranks.values()}
        if len(chosen) > 1:
            problems.append(
                "the ranks would switch different places: "
                + "; ".join(f"rank {answer['rank'][0]}: {answer['lockstep'] or 'none'}" for answer in self._ranks.values())
            )
        return problems

    def _unfollowed(self) -> list[int]:
        following = {int(rank) for group in self._groups.values() for rank in group["ranks"]}
        return [rank for rank in self._missing if rank not in following]

    def _unreached(self) -> str:
        ranks = self._unfollowed() or self._missing
        reasons = dict.fromkeys(answer["no_group"] for answer in self._ranks.values() if answer["no_group"])
        why = "; ".join(reasons) or "syncfree is missing or off there, or has another release"
        return f"the job has {self._size} ranks, and rank {', '.join(map(str, ranks[:_SHOWN]))} cannot be reached from here ({why})"
