"""Requests that users make of one scheduler: begun, repeated, interleaved, copied, in an error, with gradients."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import torch

from . import tensors
from .worlds import Run, World


def some_steps(world: World) -> None:
    world.steps(world.random.choice((1, 2, 3, 9)))


def new_request(world: World) -> None:
    world.begin()


def begin_index(world: World) -> None:
    """Image to image: the request begins in the middle."""
    begin = world.random.choice((0, 1, 2))
    world.run.position = begin
    if hasattr(world.scheduler, "set_begin_index") and world.random.random() < 0.7:
        world.note("set_begin_index", lambda: world.scheduler.set_begin_index(begin))


def copied(world: World) -> None:
    copying = world.random.choice((copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s)), copy.copy))
    original, other = world.scheduler, world.note("copy", lambda: copying(world.scheduler))
    if other is None:
        return
    run, world.run = world.run, copy.copy(world.run)
    world.scheduler = other
    world.steps(2)
    world.note_state("steps of the copy")
    world.scheduler, world.run = original, run


def made_again(world: World) -> None:
    again = world.note("from_config", lambda: type(world.scheduler).from_config(world.scheduler.config))
    if again is not None:
        world.scheduler = again
        world.begin()


def interleaved(world: World) -> None:
    """Two requests on one scheduler, step by step."""
    runs = [world.run, Run(world.draw(), world.run.position)]
    for number in range(4):
        world.run = runs[number % 2]
        world.steps(1)


def again_from_the_start(world: World) -> None:
    """A second request on the schedule of the first, without a new one."""
    world.run = Run(world.draw(), generator=world.run.generator, more=world.run.more)
    if hasattr(world.scheduler, "_step_index") and world.random.random() < 0.7:
        world.scheduler._step_index = None
    world.steps(2)


def gradients(world: World) -> None:
    """Differentiate two steps with respect to the sample and to an output."""
    if not world.dtype.is_floating_point:
        return
    start = world.draw().requires_grad_()
    world.run.sample = start * 1
    world.steps(2)

    def gradient() -> Any:
        world.run.sample.float().square().sum().backward()
        return start.grad

    world.note("gradient", gradient)
    world.run.sample = world.run.sample.detach() if isinstance(world.run.sample, torch.Tensor) else world.draw()


def after_an_error(world: World) -> None:
    """A step in an error, then the same step as it should be."""
    timestep = world.note("timestep", world.timestep)
    world.step(timestep, sample=tensors.normal(world.random, (3, 3, 7), world.dtype, world.device))
    world.steps(2)
