"""What is done to schedulers between steps: what users do, and what nobody should."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from . import tensors
from .configurations import FLAGS, VALUES
from .worlds import Run, World

ACTIONS: dict[str, tuple[float, Callable[[World], None]]] = {}


def action(weight: float) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def add(function: Callable[[World], None]) -> Callable[[World], None]:
        ACTIONS[function.__name__] = weight, function
        return function

    return add


@action(6)
def some_steps(world: World) -> None:
    world.steps(world.random.choice((1, 2, 3, 9)))


@action(1.5)
def new_request(world: World) -> None:
    world.begin()


@action(1)
def begin_index(world: World) -> None:
    """Image to image: the request begins in the middle."""
    begin = world.random.choice((0, 1, 2))
    world.run.position = begin
    if hasattr(world.scheduler, "set_begin_index") and world.random.random() < 0.7:
        world.note("set_begin_index", lambda: world.scheduler.set_begin_index(begin))


def _timestep(world: World) -> Any:
    timesteps = world.scheduler.timesteps
    return timesteps[min(world.run.position, len(timesteps) - 1)]


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


@action(2)
def odd_timestep(world: World) -> None:
    kind = world.random.choice(tuple(TIMESTEPS))
    timestep = _made(world, f"a timestep: {kind}", lambda: TIMESTEPS[kind](_timestep(world), world.scheduler.timesteps))
    world.step(timestep)


def _made(world: World, label: str, make: Callable[[], Any]) -> Any:
    """Make an argument; None where that is not possible, which is noted."""
    return world.note(label, make)


@action(3)
def odd_tensors(world: World) -> None:
    """A step with a sample or an output of another kind, and one after it with the usual ones."""
    kind = world.random.choice(tuple(tensors.ODDITIES))
    names = world.random.choice((("sample",), ("model_output",), ("sample", "model_output")))
    odd = {name: _made(world, f"{name} {kind}", lambda: tensors.ODDITIES[kind](world.draw())) for name in names}
    for _ in range(world.random.choice((1, 2))):
        timestep = world.note("timestep", lambda: _timestep(world))
        world.step(timestep, **odd)
        world.run.position += 1


@action(1.5)
def another_dtype(world: World) -> None:
    """From here on everything is of another dtype, or the outputs are."""
    dtype = world.random.choice((*tensors.FLOATS, *tensors.OTHER_DTYPES))
    sample = world.run.sample
    world.dtype = dtype
    if world.random.random() < 0.7:
        world.run.sample = world.note(f"to {dtype}", lambda: sample.to(dtype))
    world.steps(2)


@action(1)
def another_shape(world: World) -> None:
    world.shape = world.random.choice((*tensors.SHAPES, *tensors.ODD_SHAPES))
    world.run.sample = world.draw()
    world.say(f"shape {world.shape}")
    world.steps(2)


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


@action(2)
def written_to(world: World) -> None:
    names = [name for name in _own(world) if getattr(world.scheduler, name).dim()]
    name = world.random.choice(names)
    kind = world.random.choice(tuple(CHANGES))

    def change() -> None:
        CHANGES[kind](getattr(world.scheduler, name))

    world.note(f"{name} {kind}", change)


@action(2)
def exchanged(world: World) -> None:
    """An attribute is set to another object."""
    name = world.random.choice(_own(world))
    kind = world.random.choice(tuple(EXCHANGES))

    def exchange() -> None:
        setattr(world.scheduler, name, EXCHANGES[kind](getattr(world.scheduler, name)))

    world.note(f"{name} is {kind}", exchange)


@action(0.7)
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


@action(1)
def configured_anew(world: World) -> None:
    """The configuration is changed in the middle of a request."""
    parameters = inspect.signature(world.owner.__init__).parameters
    names = [name for name in parameters if name in VALUES or name in FLAGS]
    if names:
        name = world.random.choice(names)
        value = world.random.choice(VALUES.get(name, (True, False)))
        world.note(f"config {name}={value}", lambda: world.scheduler.register_to_config(**{name: value}))


@action(1)
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


@action(0.7)
def made_again(world: World) -> None:
    again = world.note("from_config", lambda: type(world.scheduler).from_config(world.scheduler.config))
    if again is not None:
        world.scheduler = again
        world.begin()


@action(1)
def interleaved(world: World) -> None:
    """Two requests on one scheduler, step by step."""
    runs = [world.run, Run(world.draw(), world.run.position)]
    for number in range(4):
        world.run = runs[number % 2]
        world.steps(1)


@action(1)
def again_from_the_start(world: World) -> None:
    """A second request on the schedule of the first, without a new one."""
    world.run = Run(world.draw(), generator=world.run.generator, more=world.run.more)
    if hasattr(world.scheduler, "_step_index") and world.random.random() < 0.7:
        world.scheduler._step_index = None
    world.steps(2)


@action(1.2)
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


@action(1)
def asked_directly(world: World) -> None:
    """Methods that `step` calls, called by the user; and what they return, written to."""
    calls: dict[str, Callable[[], Any]] = {
        "index_for_timestep": lambda: world.scheduler.index_for_timestep(_timestep(world)),
        "index_for_timestep of": lambda: world.scheduler.index_for_timestep(
            _timestep(world), world.scheduler.timesteps[1:]
        ),
        "get_scalings_for_boundary_condition_discrete": lambda: [
            value.mul_(0.5)
            for value in world.scheduler.get_scalings_for_boundary_condition_discrete(_timestep(world).cpu())
        ],
        "previous_timestep": lambda: world.scheduler.previous_timestep(_timestep(world)),
        "scale_model_input": lambda: world.scheduler.scale_model_input(world.draw(), _timestep(world)),
        "get_velocity": lambda: world.scheduler.get_velocity(world.draw(), world.draw(), _timestep(world)[None]),
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


@action(6)
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


NUMBERS = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "order", "generator")


@action(1)
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
        world.step(world.note("timestep", lambda: _timestep(world)), **{name: value})


@action(0.8)
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


@action(1)
def after_an_error(world: World) -> None:
    """A step in an error, then the same step as it should be."""
    timestep = world.note("timestep", lambda: _timestep(world))
    world.step(timestep, sample=tensors.normal(world.random, (3, 3, 7), world.dtype, world.device))
    world.steps(2)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


@contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def _flushing() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class FunctionMode(TorchFunctionMode):
    """A user's, which hands everything on."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class DispatchMode(TorchDispatchMode):
    """A user's, which hands everything on."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def _one_in_the_other() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        stack.enter_context(torch.autocast("cuda", torch.bfloat16))
        yield


CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast cpu bfloat16": partial(torch.autocast, "cpu", torch.bfloat16),
    "autocast cpu float16": partial(torch.autocast, "cpu", torch.float16),
    "autocast cuda bfloat16": partial(torch.autocast, "cuda", torch.bfloat16),
    "autocast cuda float16": partial(torch.autocast, "cuda", torch.float16),
    "inference_mode and autocast": _one_in_the_other,
    "default dtype float64": partial(_default_dtype, torch.float64),
    "default dtype float16": partial(_default_dtype, torch.float16),
    "default dtype bfloat16": partial(_default_dtype, torch.bfloat16),
    "default device cuda": partial(torch.device, "cuda"),
    "default device cpu": partial(torch.device, "cpu"),
    "default device meta": partial(torch.device, "meta"),
    "deterministic algorithms": _deterministic,
    "flushing sub-normals": _flushing,
    "a function mode": FunctionMode,
    "a dispatch mode": DispatchMode,
    "fake tensors": partial(FakeTensorMode, allow_non_fake_inputs=True),
    "anomalies": torch.autograd.detect_anomaly,
}
ON_THE_HOST = ("a dispatch mode", "fake tensors")
"""Contexts that the simulated device does not know."""


@action(3)
def in_a_context(world: World) -> None:
    """From here on everything happens in another context, or in none."""
    name = world.random.choice([name for name in CONTEXTS if world.device == "cpu" or name not in ON_THE_HOST])
    world.say(f"in {name}")
    world.context = CONTEXTS[name]
    if world.random.random() < 0.4:
        world.begin()
    world.steps(world.random.choice((1, 2)))
    if world.random.random() < 0.5:
        world.context = nullcontext
