"""Uses of schedules, on a simulated GPU: upstream against ours after each.

``python -m tests.contract.support.schedule_situations RELEASE`` prints a JSON object by situation and scheduler.
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch

from syncfree.audit import audit

from .schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, classes

NAMES = (
    "DDIMScheduler",
    "DDPMScheduler",
    "LCMScheduler",
    "DPMSolverMultistepScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "PNDMScheduler",
)
SHAPE = (1, 4, 4, 4)


def steps(
    scheduler: Any, timesteps: torch.Tensor, dtype: torch.dtype = torch.float32, seeded: bool = False
) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    noisy = seeded and "generator" in inspect.signature(scheduler.step).parameters
    more = {"generator": torch.Generator("cuda").manual_seed(3)} if noisy else {}
    samples = [torch.randn(SHAPE, generator=source).to(dtype).to("cuda")]
    for timestep in timesteps:
        output = torch.randn(SHAPE, generator=source).to(dtype).to("cuda")
        samples.append(scheduler.step(output, timestep, samples[-1], return_dict=False, **more)[0])
    return samples


def message_of(call: Callable[[], Any]) -> torch.Tensor:
    """Return what a call raises, as a tensor, so that it is compared like a sample."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  (whichever upstream raises)
        text = f"{type(error).__name__}: {error}"
    else:
        text = "no error"
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def second_half(scheduler: Any) -> list[torch.Tensor]:
    """Image to image starts in the middle of the schedule."""
    scheduler.set_timesteps(20, device="cuda")
    return steps(scheduler, scheduler.timesteps[10:])


def begin_index(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(20, device="cuda")
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(10)
    return steps(scheduler, scheduler.timesteps[10:])


def second_half_in_half_precision(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(8, device="cuda")
    samples = []
    for dtype in (torch.bfloat16, torch.float16):
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(4)
            scheduler._step_index = None
        samples += steps(scheduler, scheduler.timesteps[4:], dtype, seeded=True)
    return samples


def schedules_of_ones_own(scheduler: Any) -> list[torch.Tensor]:
    """Custom timesteps and sigmas, right and wrong ones; upstream's errors where a class does not take them."""
    found = []
    timesteps, sigmas = [901, 700, 501, 250, 1], [1.0, 0.8, 0.5, 0.2, 0.05]
    asked: list[dict[str, Any]] = [
        {"timesteps": timesteps},
        {"sigmas": sigmas},
        {"timesteps": timesteps, "sigmas": sigmas},
        {"timesteps": timesteps[::-1]},
        {"timesteps": [1001, 5]},
        {"timesteps": timesteps, "num_inference_steps": 5},
        {"num_inference_steps": 2000},
        {"num_inference_steps": None},
    ]
    for arguments in asked:
        message = message_of(lambda: scheduler.set_timesteps(device="cuda", **arguments))  # noqa: B023
        found.append(message)
        if bytes(message.tolist()) == b"no error" and arguments.get("num_inference_steps") != 2000:
            found += steps(scheduler, scheduler.timesteps)
    return found


def wrong_calls(scheduler: Any) -> list[torch.Tensor]:
    output = torch.zeros(SHAPE).to("cuda")
    found = [message_of(lambda: scheduler.step(output, 5, output))]
    scheduler.set_timesteps(12, device="cuda")
    schedule = scheduler.timesteps
    for timestep in (3, None, "5", 5000, schedule[:2], torch.tensor(2.5).to("cuda"), torch.tensor(5000).to("cuda")):
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = None
        found.append(message_of(lambda: scheduler.step(output, timestep, output)))  # noqa: B023
        assert scheduler.timesteps is schedule
    return found


def two_schedules(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(12, device="cuda")
    first = steps(scheduler, scheduler.timesteps)
    scheduler.set_timesteps(7, device="cuda")
    return first + steps(scheduler, scheduler.timesteps)


def deepcopied(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(12, device="cuda")
    first = steps(scheduler, scheduler.timesteps[:5])
    other = copy.deepcopy(scheduler)
    return first + steps(other, other.timesteps[5:])


def made_again_from_its_configuration(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(12, device="cuda")
    steps(scheduler, scheduler.timesteps[:5])
    return two_schedules(type(scheduler).from_config(scheduler.config))


def written_to(scheduler: Any) -> list[torch.Tensor]:
    """The second half of the schedule is changed in place: values that the twin does not have."""
    scheduler.set_timesteps(12, device="cuda")
    first = steps(scheduler, scheduler.timesteps[:6])
    scheduler.timesteps[6:] -= 3
    if hasattr(scheduler, "_step_index"):
        scheduler._step_index = None  # ask for the index again
    return first + steps(scheduler, scheduler.timesteps[6:7])


def inference_mode(scheduler: Any) -> list[torch.Tensor]:
    with torch.inference_mode():
        return two_schedules(scheduler)


def written_to_in_inference_mode(scheduler: Any) -> list[torch.Tensor]:
    with torch.inference_mode():
        return written_to(scheduler)


def not_an_element(scheduler: Any) -> list[torch.Tensor]:
    scheduler.set_timesteps(12, device="cuda")
    return steps(scheduler, torch.stack([t.clone() for t in scheduler.timesteps]))


def ends_in_an_error(scheduler: Any) -> list[torch.Tensor]:
    """The schedule is in its place again, and the same error has come out."""
    scheduler.set_timesteps(12, device="cuda")
    schedule = scheduler.timesteps
    message = message_of(lambda: scheduler.step(torch.zeros(SHAPE).to("cuda"), schedule[0], torch.zeros(3, 3).to("cuda")))
    assert scheduler.timesteps is schedule
    return [message]


SITUATIONS: tuple[Callable[[Any], list[torch.Tensor]], ...] = (
    second_half,
    begin_index,
    second_half_in_half_precision,
    schedules_of_ones_own,
    wrong_calls,
    two_schedules,
    deepcopied,
    made_again_from_its_configuration,
    written_to,
    inference_mode,
    written_to_in_inference_mode,
    not_an_element,
    ends_in_an_error,
)


def run(situation: Callable[[Any], list[torch.Tensor]], owner: type) -> tuple[list[torch.Tensor], int]:
    torch.manual_seed(0)
    scheduler = owner()
    with audit() as report:
        samples = situation(scheduler)
    in_schedulers = [sync for sync in report.hard if any("/schedulers/" in frame.file for frame in sync.stack)]
    return [sample.cpu() for sample in samples], len(in_schedulers)


def main(release: str) -> dict[str, dict[str, Any]]:
    warnings.simplefilter("ignore")
    with audit(backend="simulated"):
        pass  # from here on there is a GPU
    found: dict[str, dict[str, Any]] = {situation.__name__: {} for situation in SITUATIONS}
    for owner in classes(release):
        if owner.__name__ not in NAMES:
            continue
        for situation in SITUATIONS:
            expected, before = run(situation, owner)
            with all_bound(owner, release, FUNCTIONS):
                result, after = run(situation, owner)
            equal = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(result, expected, strict=True))
            found[situation.__name__][owner.__name__] = {"equal": equal, "upstream": before, "ours": after}
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
