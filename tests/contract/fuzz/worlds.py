"""One scheduler, the requests that run on it, and all that was seen of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch

from . import tensors
from .configurations import configuration, schedule
from .observed import outcome, state


@dataclass
class Run:
    """A request: its sample, how far it has come, and what its steps are asked for."""

    sample: Any
    position: int = 0
    old: Any = None
    generator: torch.Generator | None = None
    more: dict[str, Any] = field(default_factory=dict)


class World:
    """The subject of a situation. Everything random is drawn from the seed, so two worlds of one seed live alike.

    Attributes:
        seen: what was done, and what came of it.
    """

    def __init__(self, owner: Any, seed: str) -> None:
        self.random = Random(seed)
        self.owner = owner
        self.device = self.random.choice(("cuda", "cuda", "cpu"))
        self.dtype = self.random.choice((torch.float32, *tensors.FLOATS))
        self.shape = self.random.choice(tensors.SHAPES)
        if "CogVideoX" in owner.__name__ or owner.__name__.startswith("Helios"):
            self.shape = (1, 4, 2, 3, 3)
        self.scaled = self.random.random() < 0.7
        self.context: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.seen: list[tuple[str, str, Any]] = []
        self.scheduler: Any = None
        self.run: Run = Run(None)

    def note(self, label: str, call: Callable[[], Any]) -> Any:
        """Do something in the present context, and keep what comes of it; returns it, None after an error."""
        result: list[Any] = []

        def work() -> Any:
            with self.context():
                result.append(call())
            return result[0]

        self.seen.append((label, *outcome(work, inference="timestep" not in label)))
        return result[0] if result else None

    def say(self, label: str) -> None:
        """Keep what is about to be done."""
        self.seen.append((label, "did", None))

    def note_state(self, label: str) -> None:
        self.seen.append((label, "state", state(self.scheduler)))

    def make(self) -> None:
        options = configuration(self.random, self.owner)
        self.say(f"{self.owner.__name__}({options}) on {self.device}, {self.dtype}, {self.shape}")
        made = self.note("make", lambda: self.owner(**options))
        self.scheduler = self.owner() if made is None else made  # the length of one is an error

    def draw(self, dtype: torch.dtype | None = None) -> torch.Tensor:
        return tensors.normal(self.random, self.shape, dtype or self.dtype, self.device)

    def begin(self) -> None:
        """A new request, on a new schedule."""
        options = schedule(self.random, self.owner)
        device = self.random.choice((self.device, torch.device(self.device)))
        self.note(f"set_timesteps({options})", lambda: self.scheduler.set_timesteps(device=device, **options))
        generator = self.random.choice((None, self.device, "cpu"))
        self.run = Run(self.draw())
        if generator is not None:
            self.run.generator = torch.Generator(generator).manual_seed(self.random.getrandbits(31))
        if "eta" in self._parameters:
            self.run.more["eta"] = self.random.choice((0.0, 0.0, 0, 1, 0.3, 1.0))
        if "use_clipped_model_output" in self._parameters and self.random.random() < 0.2:
            self.run.more["use_clipped_model_output"] = True

    @property
    def _parameters(self) -> Any:
        return inspect.signature(self.scheduler.step).parameters

    def timestep(self) -> Any:
        """The timestep of the request's next step; at the end of the schedule the last one."""
        timesteps = self.scheduler.timesteps
        return timesteps[min(self.run.position, len(timesteps) - 1)]

    def steps(self, count: int) -> None:
        for _ in range(count):
            timesteps = self.scheduler.timesteps
            if timesteps is None or self.run.position >= len(timesteps):
                return
            if not self.step(timesteps[self.run.position]):
                return
            self.run.position += 1

    def step(self, timestep: Any, **odd: Any) -> bool:
        """One step as pipelines do it, but for what is odd; False after an error."""
        run, parameters = self.run, self._parameters
        arguments: dict[str, Any] = {"model_output": self.draw(), "timestep": timestep, "sample": run.sample}
        if "generator" in parameters and run.generator is not None:
            arguments["generator"] = run.generator
        if "old_pred_original_sample" in parameters:
            timesteps = self.scheduler.timesteps
            back = timesteps[run.position - 1] if 0 < run.position < len(timesteps) else None
            arguments |= {"old_pred_original_sample": run.old, "timestep_back": back}
        if "original_image" in parameters:
            arguments |= {"original_image": self.draw(), "mask": (self.draw(torch.float32) > 0).to(self.dtype)}
        if "prev_timestep" in parameters and self.random.random() < 0.5:
            following = self.scheduler.timesteps[run.position + 1 : run.position + 2]
            arguments["prev_timestep"] = following[0] if len(following) else None
        if "dmd_sigmas" in parameters:
            of_stage = {"dmd_sigmas": self.scheduler.sigmas, "dmd_timesteps": self.scheduler.timesteps}
            arguments |= {**of_stage, "all_timesteps": self.scheduler.timesteps, "cur_sampling_step": run.position}
            arguments["dmd_noisy_tensor"] = self.draw()
        if self.owner.__name__ == "DDPMWuerstchenScheduler" and isinstance(timestep, torch.Tensor) and not timestep.dim():
            arguments["timestep"] = timestep.expand(self.shape[0])
        arguments |= {"return_dict": self.random.random() < 0.3} | run.more
        arguments |= {name: value for name, value in odd.items() if name in parameters}
        if self.scaled and hasattr(self.scheduler, "scale_model_input"):
            self.note("scale_model_input", lambda: self.scheduler.scale_model_input(run.sample, timestep))
        result = self.note("step", lambda: self.scheduler.step(**arguments))
        if result is None:
            return False
        run.sample = result[0] if isinstance(result, tuple) else result.prev_sample
        if "old_pred_original_sample" in parameters:
            run.old = result[1]
        return True
