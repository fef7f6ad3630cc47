"""The updates of DPM-Solver and DEIS, and the conversions of model outputs that go with them and with UniPC.

Upstream's ``step`` runs as it is; the methods that it calls compute nearly all of a step's scalars.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Compose

from .recorded import Program, Recorder
from .sigmas import is_in

if TYPE_CHECKING:
    import torch

_SETTINGS = frozenset({str, bool, int, float, type(None)})
_CONFIGURATION = "config."
Advance = Callable[[Any, Sequence[Any]], Any]


def update_from_a_table(order: int, algorithms: tuple[str, ...], *settings: str) -> Compose:
    """Compose an update of the sample; declines deprecated arguments, and a stochastic solver without noise.

    Args:
        order: how many model outputs it takes: one as it is, several in a list whose last is the newest.
        algorithms: the ``algorithm_type`` that are covered.
        settings: what else it reads of the configuration.
    """

    def compose(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        takes_noise = "noise" in upstream.__code__.co_varnames

        def call(scheduler: Any, *samples: Any) -> Any:
            *outputs, sample, noise = samples
            more = {"noise": noise} if takes_noise else {}
            return upstream(scheduler, outputs if order > 1 else outputs[0], sample=sample, **more)

        names = _of_the_configuration("algorithm_type", *settings)
        advance = _from_a_table(coefficients, upstream, call, order + 2, names, algorithms, ahead=1)

        @functools.wraps(upstream)
        def update(self: Any, outputs: Any, /, *args: Any, sample: Any = None, noise: Any = None, **kwargs: Any) -> Any:
            if args or kwargs or sample is None or (noise is None and self.config.algorithm_type.startswith("sde")):
                return NotImplemented
            if order == 1:
                return advance(self, (outputs, sample, noise))
            if type(outputs) is not list or len(outputs) < order:
                return NotImplemented
            return advance(self, (*outputs[-order:], sample, noise))

        return update

    return compose


def conversion_from_a_table(setting: str, covered: tuple[str, ...], *settings: str, state: tuple[str, ...] = ()) -> Compose:
    """Compose ``convert_model_output``; declines deprecated arguments and thresholding, which is arithmetic of samples.

    Args:
        setting: one of the configuration.
        covered: its values that are covered.
        settings: what else it reads of the configuration.
        state: what it reads of the scheduler itself.
    """
    names = (*_of_the_configuration(setting, "thresholding", *settings), *state)

    def compose(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        def call(scheduler: Any, output: Any, sample: Any) -> Any:
            return upstream(scheduler, output, sample=sample)

        advance = _from_a_table(coefficients, upstream, call, 2, names, covered, ahead=0)

        @functools.wraps(upstream)
        def convert_model_output(self: Any, model_output: Any, /, *args: Any, sample: Any = None, **kwargs: Any) -> Any:
            if args or kwargs or sample is None or self.config.thresholding:
                return NotImplemented
            return advance(self, (model_output, sample))

        return convert_model_output

    return compose


def _of_the_configuration(*settings: str) -> tuple[str, ...]:
    return tuple(f"{_CONFIGURATION}{setting}" for setting in settings)


def _from_a_table(
    coefficients: Callable[..., Any],
    upstream: Callable[..., Any],
    call: Callable[..., Any],
    samples: int,
    names: tuple[str, ...],
    covered: tuple[str, ...],
    ahead: int,
) -> Advance:
    """Make the function that runs a method's operators on samples.

    Args:
        call: upstream's method as a function of a scheduler and so many samples.
        names: what it reads of the scheduler besides the sigmas.
        covered: the values of the first of them that are covered.
        ahead: how many sigmas behind the step's own one it reads.
    """
    owner = upstream.__globals__[upstream.__qualname__.split(".")[0]]
    alpha_sigma = owner._sigma_to_alpha_sigma_t
    form_of = attrgetter(*names)
    programs: dict[Hashable, Program] = {}

    def compute(schedules: tuple[torch.Tensor, ...], position: int, form: Any) -> tuple[Any, ...]:
        scheduler = SimpleNamespace(config=SimpleNamespace(), sigmas=schedules[0], step_index=position)
        for name, value in zip(names, form, strict=True):
            is_set = name.startswith(_CONFIGURATION)
            setattr(scheduler.config if is_set else scheduler, name.removeprefix(_CONFIGURATION), value)
        scheduler._sigma_to_alpha_sigma_t = MethodType(alpha_sigma, scheduler)
        recorder = Recorder(samples)
        program = recorder.program(call(scheduler, *recorder.samples))
        assert programs.setdefault(form, program) == program, "the operators depend on more than the form"
        return tuple(recorder.scalars)

    def advance(self: Any, operands: Sequence[Any]) -> Any:
        index, sigmas, form = self.step_index, self.sigmas, form_of(self)
        if form[0] not in covered or not _SETTINGS.issuperset(map(type, form)) or not is_in(index, sigmas, ahead):
            return NotImplemented
        if getattr(self._sigma_to_alpha_sigma_t, "__func__", None) is not alpha_sigma:
            return NotImplemented
        scalars = coefficients((sigmas,), index, form, compute)
        return NotImplemented if scalars is NotImplemented else programs[form].run(operands, scalars)

    return advance
