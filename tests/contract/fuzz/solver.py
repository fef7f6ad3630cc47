"""UniPC's solver, with sigmas that nobody should set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from . import tensors
from .worlds import World

SIGMAS: dict[str, Callable[[torch.Tensor], Any]] = {
    "as they are": lambda sigmas: sigmas,
    "of two dimensions": lambda sigmas: torch.stack([sigmas, sigmas * 0.9]),
    "a column": lambda sigmas: sigmas[:, None],
    "a row": lambda sigmas: sigmas[None],
    "sub-normal": lambda sigmas: sigmas * 1e-40,
    "near the smallest": lambda sigmas: sigmas * 1e-36,
    "nan": lambda sigmas: sigmas * float("nan"),
    "infinite": lambda sigmas: sigmas * float("inf"),
    "zero": lambda sigmas: sigmas * 0,
    "equal": lambda sigmas: sigmas * 0 + 0.5,
    "nearly equal": lambda sigmas: sigmas * 1e-7 + 0.01,
    "above one": lambda sigmas: sigmas + 1,
    "negative": lambda sigmas: -sigmas,
    "in double precision": lambda sigmas: sigmas.double(),
    "in half precision": lambda sigmas: sigmas.half(),
    "integers": lambda sigmas: (sigmas * 10).long(),
    "with gaps": lambda sigmas: torch.stack([sigmas, sigmas], dim=-1)[..., 0],
    "reversed": lambda sigmas: sigmas.flip(0),
    "short": lambda sigmas: sigmas[:2],
    "empty": lambda sigmas: sigmas[:0],
    "one number": lambda sigmas: sigmas[0],
    "with gradients": lambda sigmas: sigmas.clone().requires_grad_(),
    "on meta": lambda sigmas: sigmas.to("meta"),
    "on the host": lambda sigmas: sigmas.cpu(),
    "on the device": lambda sigmas: sigmas.to("cuda"),
    "an array": lambda sigmas: sigmas.cpu().numpy(),
}


def solver_of_odd_sigmas(world: World) -> None:
    """UniPC's two methods, with sigmas that nobody should set, tensors of odd kinds and dtypes, and any order."""
    scheduler, random = world.scheduler, world.random
    if not hasattr(scheduler, "multistep_uni_p_bh_update"):
        world.steps(2)
        return
    sigmas, kind = scheduler.sigmas, random.choice(tuple(SIGMAS))
    tensor = random.choice(("as it is", "as it is", "as it is", *tensors.ODDITIES))
    dtype = random.choice((world.dtype, world.dtype, *tensors.FLOATS, *tensors.OTHER_DTYPES))
    same = random.random() < 0.7
    order, index = random.choice((1, 2, 2, 3)), random.choice((0, 1, 1, 2, 2, 3, -1))
    world.say(f"sigmas {kind}, tensors {tensor}, {dtype}, order {order} at {index}, history {same}")

    def odd(plain: bool = False) -> Any:
        drawn = world.draw(dtype)
        return drawn if plain or tensor == "as it is" else tensors.ODDITIES[tensor](drawn)

    def call() -> Any:
        scheduler.sigmas = SIGMAS[kind](sigmas)
        scheduler._step_index = index
        scheduler.model_outputs = [odd() if same else world.draw() for _ in range(3)]
        if random.random() < 0.5:
            return scheduler.multistep_uni_p_bh_update(odd(), sample=odd(), order=order)
        return scheduler.multistep_uni_c_bh_update(odd(), last_sample=odd(), this_sample=odd(plain=True), order=order)

    for _ in range(3):
        world.note("solver", call)
    scheduler.sigmas = sigmas
    world.begin()
