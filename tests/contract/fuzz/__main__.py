"""Run situations of one diffusers release: upstream's classes against ours.

``python -m tests.contract.fuzz RELEASE COUNT`` runs so many situations of each class, and more of those with tables, and prints
a JSON object by class. ``... RELEASE CLASS NUMBER`` runs one again. It is a process of its own, because a simulated GPU is
installed for good.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from inspect import signature
from typing import Any

import torch

from syncfree.audit import audit
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table

from ..support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, bindings_of
from ..support.schedulers_on_a_simulated_gpu import classes as bound_classes
from .actions import ACTIONS
from .observed import outcome
from .worlds import World

WITH_TABLES = (
    "UniPCMultistepScheduler",
    "HeliosScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "CogVideoXDPMScheduler",
    "CogVideoXDDIMScheduler",
    "PNDMScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "SASolverScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
)


def classes(release: str) -> Iterator[Any]:
    """The bound classes that step from a timestep, which KarrasVe and ScoreSdeVe do not."""
    return (owner for owner in bound_classes(release) if "timestep" in signature(getattr(owner, "step", print)).parameters)


def live(owner: Any, seed: str) -> World:
    """A situation, from the start to the end."""
    torch.manual_seed(0)
    world = World(owner, seed)
    world.make()
    world.begin()
    world.note_state("the schedule")
    for _ in range(world.random.choice((2, 3, 4, 5))):
        (name,) = world.random.choices(list(ACTIONS), [weight for weight, _ in ACTIONS.values()])
        world.say(name)
        world.seen.append((name, *outcome(partial(ACTIONS[name][1], world))))
        world.note_state(name)
    world.seen.append(("the end", *outcome(partial(world.steps, 2))))
    world.note_state("the end")
    world.note("random numbers", torch.get_rng_state)
    return world


OF_INFERENCE_MODE = "RuntimeError: Inference tensors cannot be saved for backward"
"""A schedule that upstream makes in inference mode cannot be used with gradients, and ours can: docs/diffusers.md says so."""


def first_difference(theirs: World, ours: World) -> str:
    """Return where two worlds part ways, and what was done before; empty when they do not."""
    for place, (one, other) in enumerate(zip(theirs.seen, ours.seen, strict=False)):
        if one[1] == "raised" and one[2].startswith(OF_INFERENCE_MODE) and other[1] == "returned":
            return ""
        if one != other:
            return f"{[_told(*seen) for seen in theirs.seen[:place] if seen[1] != 'state']}: {_differing(one, other)}"
    return "" if len(theirs.seen) == len(ours.seen) else "one goes on"


def _told(label: str, kind: str, value: Any) -> str:
    return f"{label} -> {value}" if kind == "raised" else label


def _differing(one: tuple[str, str, Any], other: tuple[str, str, Any]) -> str:
    if one[1] == other[1] == "state":
        names = [name for name in one[2] | other[2] if one[2].get(name) != other[2].get(name)]
        return f"{one[0]}: " + "; ".join(f"{n}: {str(one[2].get(n))[:400]} / {str(other[2].get(n))[:400]}" for n in names)
    return f"{str(one)[:700]} / {str(other)[:700]}"


def examine(owner: Any, release: str, numbers: Iterable[int]) -> dict[str, Any]:
    """Situations of a class, with each implementation in turn. What the tables hold stays there from one to the next.

    ``situations`` is their number, ``raised`` of how many upstream raised something, ``declined`` in how many we left a call to
    upstream; ``returned`` and ``errors`` are numbers of results and of errors that were compared.
    """
    variants: list[dict[str, Callable[..., Any]]] = [FUNCTIONS]
    if any(binding.hook == "scheduler_step" for binding in bindings_of(owner.__name__)):
        variants.append({**FUNCTIONS, "scheduler_step": coefficient_table})
    counted = ("situations", "raised", "declined", "returned", "errors", "calls", "declines")
    found: dict[str, Any] = {**dict.fromkeys(counted, 0), "different": []}
    for number in numbers:
        seed = f"{owner.__name__} {number}"
        theirs = live(owner, seed)
        with all_bound(owner, release, variants[number % len(variants)]) as totals:
            ours = live(owner, seed)
            calls, declines = totals()
        kinds = [kind for _, kind, _ in theirs.seen]
        errors, returned = kinds.count("raised"), kinds.count("returned")
        for name, more in zip(counted, (1, errors > 0, declines > 0, returned, errors, calls, declines), strict=True):
            found[name] += more
        if difference := first_difference(theirs, ours):
            found["different"].append(f"python -m tests.contract.fuzz {release} {owner.__name__} {number}: {difference}")
    return found


def main(release: str, *which: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    logging.disable()
    torch.set_num_threads(1)
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    if len(which) == 2:
        return {owner.__name__: examine(owner, release, [int(which[1])]) for owner in classes(release) if owner.__name__ == which[0]}
    count = int(which[0])
    return {
        owner.__name__: examine(owner, release, range(count * (3 if owner.__name__ in WITH_TABLES else 1)))
        for owner in classes(release)
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
