"""Arguments of `step`: timesteps, tensors, dtypes, shapes and numbers, of usual and of odd kinds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import tensors
from .worlds import World

TIMESTEPS: dict[str, Callable[[Any, Any], Any]] = {
    "a number": lambda t, all_of_them: t.item(),
    "a float": lambda t, all_of_them: float(t),
    "an integer": lambda t, all_of_them: int(t),
    "a copy": lambda t, all_of_them: t.clone(),
    "on the host": lambda t, all_of_them: t.cpu(),
    "of one element": lambda t, all_of_them: t[None],
    "a slice": lambda t, all_of_them: all_of_them[:1],
    "all of them": lambda t, all_of_them: all_of_them,
    "in double precision": lambda t, all_of_them: t.double(),
    "in int32": lambda t, all_of_them: t.to(torch.int32),
    "of numpy": lambda t, all_of_them: np.float64(t.item()),
    "an integer of numpy": lambda t, all_of_them: np.int64(t.item()),
    "nothing": lambda t, all_of_them: None,
    "a string": lambda t, all_of_them: "5",
    "too large": lambda t, all_of_them: torch.tensor(5000).to(t.device),
    "too large on the host": lambda t, all_of_them: 5000,
    "negative": lambda t, all_of_them: torch.tensor(-3).to(t.device),
    "negative on the host": lambda t, all_of_them: torch.tensor(-3),
    "a half": lambda t, all_of_them: torch.tensor(2.5).to(t.device),
    "nan": lambda t, all_of_them: float("nan"),
    "true": lambda t, all_of_them: True,
    "a subclass": lambda t, all_of_them: t.as_subclass(tensors.Subclass),
    "on meta": lambda t, all_of_them: t.to("meta"),
    "sparse": lambda t, all_of_them: t.cpu().to_sparse(),
    "the last": lambda t, all_of_them: all_of_them[-1],
    "of a reversed schedule": lambda t, all_of_them: all_of_them.flip(0)[0],
    "of a slice with gaps": lambda t, all_of_them: all_of_them[1::2][0],
}


def odd_timestep(world: World) -> None:
    kind = world.random.choice(tuple(TIMESTEPS))
    timestep = world.note(f"a timestep: {kind}", lambda: TIMESTEPS[kind](world.timestep(), world.scheduler.timesteps))
    world.step(timestep)


def odd_tensors(world: World) -> None:
    """A step with a sample or an output of another kind, and one after it with the usual ones."""
    kind = world.random.choice(tuple(tensors.ODDITIES))
    names = world.random.choice((("sample",), ("model_output",), ("sample", "model_output")))
    odd = {name: world.note(f"{name} {kind}", lambda: tensors.ODDITIES[kind](world.draw())) for name in names}
    for _ in range(world.random.choice((1, 2))):
        timestep = world.note("timestep", world.timestep)
        world.step(timestep, **odd)
        world.run.position += 1


def another_dtype(world: World) -> None:
    """From here on everything is of another dtype, or the outputs are."""
    dtype = world.random.choice((*tensors.FLOATS, *tensors.OTHER_DTYPES))
    sample = world.run.sample
    world.dtype = dtype
    if world.random.random() < 0.7:
        world.run.sample = world.note(f"to {dtype}", lambda: sample.to(dtype))
    world.steps(2)


def another_shape(world: World) -> None:
    world.shape = world.random.choice((*tensors.SHAPES, *tensors.ODD_SHAPES))
    world.run.sample = world.draw()
    world.say(f"shape {world.shape}")
    world.steps(2)


NUMBERS = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "order", "generator")


def odd_arguments(world: World) -> None:
    """What `step` takes besides tensors and timesteps."""
    parameters = inspect.signature(world.scheduler.step).parameters
    wrong = (None, "1", float("nan"), -1, True, 1.5, torch.tensor(0.5), [], 10**30)
    odd: dict[str, tuple[Any, ...]] = dict.fromkeys(NUMBERS, wrong)
    odd |= {"variance_noise": (world.draw(),), "timestep_back": (5, "5"), "prev_timestep": (5, -1, "5", 0.5)}
    odd |= {"use_clipped_model_output": (1, "x", None), "r_timestep": (0.5, "x"), "return_dict": (None, 1, "x")}
    here = [name for name in odd if name in parameters]
    if here:
        name = world.random.choice(here)
        value = world.random.choice(odd[name])
        world.say(f"{name}={value}")
        world.step(world.note("timestep", world.timestep), **{name: value})
