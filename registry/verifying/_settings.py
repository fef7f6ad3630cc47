"""The settings of verification: the share of a hook's calls, and the policy on a mismatch; checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from .._errors import nearest, unknown_hook
from .._hook import Hook
from .._text import clipped

OnMismatch = Literal["log", "upstream", "raise"]
POLICIES: tuple[OnMismatch, ...] = get_args(OnMismatch)
ROLL_BACK: OnMismatch = "upstream"


@dataclass(frozen=True, slots=True)
class Settings:
    """The verification of a hook.

    Attributes:
        share: the probability with which a call is verified, above 0 and at most 1.
        on_mismatch: ``log`` only logs, ``upstream`` also goes back to upstream, ``raise`` raises in the framework's call.
        contents: the folder that receives the arguments of the first mismatch of each target; None keeps their summary only.
    """

    share: float
    on_mismatch: OnMismatch = ROLL_BACK
    contents: str | None = None


def parse_shares(text: str, variable: str, hooks: Mapping[str, Hook]) -> tuple[dict[str, float], list[str]]:
    """Read ``"hook=share,hook=share"``; return the shares that are valid, and the problems of the others."""
    shares: dict[str, float] = {}
    problems: list[str] = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, equals, number = (part.strip() for part in word.partition("="))
        if not equals:
            problems.append(f"{variable}: {clipped(word)!r} is not written like sampler_logprob_gather=0.01")
            continue
        if name in shares:
            problems.append(f"{variable} names {name} twice")
            continue
        try:
            share = float(number)
        except ValueError:
            problems.append(f"{variable}: {name} has the share {clipped(number)!r}, which is not a number from 0 to 1")
            continue
        found = share_problems(name, share, hooks)
        problems += [f"{variable}: {problem}" for problem in found]
        if not found:
            shares[name] = share
    return shares, problems


def share_problems(name: str, share: object, hooks: Mapping[str, Hook]) -> list[str]:
    """Return why a hook cannot be verified on this share of its calls; empty when it can, or when the share is 0."""
    if name not in hooks:
        return [unknown_hook(name, hooks)]
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:  # NaN is not in the range
        return [f"{name} has the share {clipped(repr(share))}, which is not a number from 0 to 1"]
    obstacle = obstacle_of(hooks[name])
    return [f"{name} cannot be verified: {obstacle}. {_verifiable(hooks.values())}"] if obstacle else []


def policy_problems(policy: str, source: str) -> list[str]:
    """Return what is wrong with the name of a policy; empty for a valid one."""
    return [] if policy in POLICIES else [f"{source}: unknown policy {clipped(policy)!r}{nearest(policy, POLICIES)}"]


def obstacle_of(hook: Hook) -> str | None:
    """Return why a second call of a hook beside the first one would do harm or prove nothing; None when it can be verified."""
    if hook.lockstep:
        return "it is a collective, which every rank must call equally often"
    if hook.pure:
        return None
    if not hook.writes:
        return "it is not pure, and its contract does not list what a call changes"
    annotations = {name: str(of.annotation) for name, of in inspect.signature(hook.spec).parameters.items()}
    acting = [name for name in hook.writes if "Callable" in annotations[name]]
    return f"it calls {', '.join(acting)} for an effect that cannot be copied" if acting else None


def _verifiable(hooks: Iterable[Hook]) -> str:
    return f"Hooks that can: {', '.join(hook.name for hook in hooks if obstacle_of(hook) is None)}"
