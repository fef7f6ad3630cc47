"""Attributes and configuration of a scheduler, changed between steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import tensors
from .configurations import FLAGS, VALUES
from .worlds import World


def _own(world: World) -> list[str]:
    return [name for name, value in vars(world.scheduler).items() if isinstance(value, torch.Tensor)]


CHANGES: dict[str, Callable[[torch.Tensor], Any]] = {
    "halved": lambda tensor: tensor.mul_(0.5) if tensor.dtype.is_floating_point else tensor.sub_(3),
    "set to zero": lambda tensor: tensor.zero_(),
    "second half changed": lambda tensor: tensor[len(tensor) // 2 :].mul_(2),
    "one set to nan": lambda tensor: tensor[:2].fill_(float("nan")),
    "one set to infinity": lambda tensor: tensor[1:2].fill_(float("inf")),
    "sub-normal": lambda tensor: tensor[1:2].fill_(1e-40),
    "two equal": lambda tensor: tensor[1:3].fill_(tensor[1:2].max()),
    "cut": lambda tensor: tensor.resize_(len(tensor) - 1),
    "turned round": lambda tensor: tensor.set_(tensor.flip(0)),
    "made a column": lambda tensor: tensor.unsqueeze_(1),
    "given other memory": lambda tensor: setattr(tensor, "data", tensor * 2),
    "to take gradients": lambda tensor: tensor.requires_grad_(),
    "through numpy": lambda tensor: np.multiply(tensor.numpy(), 2, out=tensor.numpy(), casting="unsafe") is None,
}
EXCHANGES: dict[str, Callable[[torch.Tensor], Any]] = {
    "a copy": lambda tensor: tensor.clone(),
    "on the host": lambda tensor: tensor.cpu(),
    "on the device": lambda tensor: tensor.to("cuda"),
    "in double precision": lambda tensor: tensor.double(),
    "in half precision": lambda tensor: tensor.half(),
    "in int64": lambda tensor: tensor.long(),
    "of two dimensions": lambda tensor: torch.stack([tensor, tensor]),
    "one longer": lambda tensor: torch.cat([tensor, tensor[-1:]]),
    "one shorter": lambda tensor: tensor[:-1],
    "another slice": lambda tensor: tensor[1:],
    "with gaps": lambda tensor: torch.stack([tensor, tensor], dim=-1)[..., 0],
    "an array": lambda tensor: tensor.cpu().numpy(),
    "a list": lambda tensor: tensor.tolist(),
    "nothing": lambda tensor: None,
    "a parameter": lambda tensor: torch.nn.Parameter(tensor),
    "a subclass": lambda tensor: tensor.as_subclass(tensors.Subclass),
    "of inference mode": tensors.ODDITIES["of inference mode"],
    "reversed": lambda tensor: tensor.flip(0),
    "on meta": lambda tensor: tensor.to("meta"),
}


def written_to(world: World) -> None:
    names = [name for name in _own(world) if getattr(world.scheduler, name).dim()]
    name = world.random.choice(names)
    kind = world.random.choice(tuple(CHANGES))

    def change() -> None:
        CHANGES[kind](getattr(world.scheduler, name))

    world.note(f"{name} {kind}", change)


def exchanged(world: World) -> None:
    """An attribute is set to another object."""
    name = world.random.choice(_own(world))
    kind = world.random.choice(tuple(EXCHANGES))

    def exchange() -> None:
        setattr(world.scheduler, name, EXCHANGES[kind](getattr(world.scheduler, name)))

    world.note(f"{name} is {kind}", exchange)


def odd_attribute(world: World) -> None:
    """What is not a tensor is set, too."""
    name, value = world.random.choice(
        (
            ("num_inference_steps", None),
            ("num_inference_steps", 0),
            ("num_inference_steps", 7.5),
            ("final_alpha_cumprod", 1.0),
            ("final_alpha_cumprod", torch.tensor(0.5, requires_grad=True)),
            ("sigma_data", 1.0),
            ("_step_index", None),
            ("_step_index", 1),
            ("_step_index", torch.tensor(1)),
            ("_step_index", True),
            ("_step_index", -2),
            ("_begin_index", 1),
            ("model_outputs", [None, None]),
            ("lower_order_nums", 2),
            ("predict_x0", False),
            ("timestep_list", [None, None]),
        )
    )
    if hasattr(world.scheduler, name):
        world.note(f"{name} = {value}", lambda: setattr(world.scheduler, name, value))


def configured_anew(world: World) -> None:
    """The configuration is changed in the middle of a request."""
    parameters = inspect.signature(world.owner.__init__).parameters
    names = [name for name in parameters if name in VALUES or name in FLAGS]
    if names:
        name = world.random.choice(names)
        value = world.random.choice(VALUES.get(name, (True, False)))
        world.note(f"config {name}={value}", lambda: world.scheduler.register_to_config(**{name: value}))
