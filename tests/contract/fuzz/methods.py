"""Methods of a scheduler other than `step`, called by the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import tensors
from .worlds import World


def noised(world: World) -> None:
    """What training and image to image ask of a schedule."""
    name = "add_noise" if hasattr(world.scheduler, "add_noise") else "scale_noise"
    position = world.random.choice((0, 1, -1))
    count = world.random.choice((1, 1, 2, 0))
    shape = (count, *world.shape[1:])

    def noise() -> Any:
        image, more = (tensors.normal(world.random, shape, world.dtype, world.device) for _ in range(2))
        timesteps = world.scheduler.timesteps[position].reshape(1).repeat(count)
        order = (image, timesteps, more) if name == "scale_noise" else (image, more, timesteps)
        return getattr(world.scheduler, name)(*order)

    world.note(name, noise)


def asked_directly(world: World) -> None:
    """Methods that `step` calls, called by the user; and what they return, written to."""
    calls: dict[str, Callable[[], Any]] = {
        "index_for_timestep": lambda: world.scheduler.index_for_timestep(world.timestep()),
        "index_for_timestep of": lambda: world.scheduler.index_for_timestep(
            world.timestep(), world.scheduler.timesteps[1:]
        ),
        "get_scalings_for_boundary_condition_discrete": lambda: [
            value.mul_(0.5)
            for value in world.scheduler.get_scalings_for_boundary_condition_discrete(world.timestep().cpu())
        ],
        "previous_timestep": lambda: world.scheduler.previous_timestep(world.timestep()),
        "scale_model_input": lambda: world.scheduler.scale_model_input(world.draw(), world.timestep()),
        "get_velocity": lambda: world.scheduler.get_velocity(world.draw(), world.draw(), world.timestep()[None]),
        "multistep_uni_p_bh_update": lambda: world.scheduler.multistep_uni_p_bh_update(
            world.draw(), sample=world.draw(), order=world.random.choice((1, 2))
        ),
        "multistep_uni_c_bh_update": lambda: world.scheduler.multistep_uni_c_bh_update(
            world.draw(), last_sample=world.draw(), this_sample=world.draw(), order=world.random.choice((1, 2))
        ),
    }
    here = [name for name in calls if hasattr(world.scheduler, name.split(" ")[0])]
    if here:
        name = world.random.choice(here)
        world.note(name, calls[name])
