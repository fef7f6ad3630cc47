"""The rules by which a situation is said to have been held or refused; whatever breaks one is a failure.

Never, in any situation: a process that hangs or ends, a framework that cannot be imported although no explicit choice is
unmet, a choice that is lost in silence, a plan that says something else than what a call does, half of a binding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .children import Ended

OURS = ("sync_free", "acme", "other")
NEXT_STEP = re.compile(
    r"did you mean|Known: |Taken: |SYNCFREE(_[A-Z]+)*=|SYNCFREE_PLUGINS|SYNCFREE_CONFIG|remove |install|\bgive\b|\bmark\b"
    r"|\buse\b|\bcall\b|\bset\b|\bstart\b|\breload\b|\brename\b|\bchoose\b|\bimport .* first|must be|must not|expected"
)


def alive(ended: Ended) -> dict[str, Any]:
    """The facts of a process that neither hung nor ended before it had written them."""
    assert not ended.stacks, f"hung:\n{ended}"
    assert ended.facts is not None, f"ended before its end:\n{ended}"
    return ended.facts


def imported(ended: Ended) -> dict[str, Any]:
    """The facts of a process in which the framework could be imported at the first attempt, and the plan is honest."""
    facts = alive(ended)
    assert facts["errors"] == [None] * len(facts["errors"]), f"the framework could not be imported:\n{ended}"
    assert facts.get("probe_error") is None, f"the plan could not be asked:\n{ended}"
    assert "plan" in facts, f"no plan:\n{ended}"
    honest(facts)
    return facts


def honest(facts: Mapping[str, Any]) -> None:
    """The plan says ``bound`` where one of ours is live and nowhere else, and all targets of a binding or none are ours."""
    for entry in facts["plan"]:
        now = {target: facts["live"][target] for target in entry["targets"]}
        if entry["state"] == "bound":
            assert set(now.values()) <= {entry["choice"]}, f"the plan says {entry}, the targets are {now}"
        elif (
            "foreign" not in now.values()
        ):  # where somebody replaced one target, the others of the binding may be ours still
            assert not set(now.values()) & set(OURS), f"the plan says {entry}, the targets are {now}"


def by_default(facts: Mapping[str, Any]) -> None:
    """What is in force without any choice: everything bound, nothing lost."""
    assert {entry["hook"]: (entry["state"], entry["choice"]) for entry in facts["plan"]} == {
        "progress_reporting": ("bound", "sync_free"),
        "dp_all_reduce": ("bound", "acme"),
        "postprocess": ("bound", "acme"),
    }


def nothing_bound(ended: Ended) -> str | None:
    """The one line that says that nothing was bound, when there is one: then nothing of ours may be live."""
    said = [line for line in ended.err.splitlines() if line.startswith("syncfree: nothing of diffusers is bound: ")]
    if said:
        untouched(imported(ended))
    return said[0] if said else None


def untouched(facts: Mapping[str, Any]) -> None:
    """Nothing is ours: as without us."""
    assert {name for name in facts["live"].values() if name is not None} == {"upstream"}


def refused(error: Mapping[str, Any] | None, *needed: str) -> str:
    """The message of a refusal: one sentence of ours that names what was asked, and the next step."""
    assert error is not None, "was not refused"
    assert "SyncfreeError" in error["bases"], f"was not refused by us: {error}"
    return sentence(error["text"], *needed)


def sentence(text: str, *needed: str) -> str:
    """A text that is one line, names these words, and says what to do."""
    assert NEXT_STEP.search(text), f"no next step in: {text}"
    return one_line(text, *needed)


def one_line(text: str, *needed: str) -> str:
    """A text that is one line and names these words."""
    assert "Traceback" not in text, text
    assert "\n" not in text.strip(), f"more than one line: {text}"
    for word in needed:
        assert word in text, f"{word!r} is not named in: {text}"
    return text.strip()


def left_out(facts: Mapping[str, Any], *needed: str) -> str:
    """The one line of the plan that says what was left out and why."""
    lines = [line for line in facts["broken"] if all(word in line for word in needed)]
    assert len(lines) == 1, f"{len(lines)} lines name {needed}: {facts['broken']}"
    text = str(lines[0])
    assert len(text) < 5000, f"{len(text)} characters"
    assert text.isprintable(), f"more than a line of text: {text!r}"
    return text
