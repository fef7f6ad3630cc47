"""The installation around syncfree: Python, torch, the GPU, and other distributions that change the same frameworks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._distributions import Unreadable, described, with_entry_points
from .._entry_points import parse
from .._errors import or_default
from .._installed_torch import torch_text
from .._runtime import RUNTIME

GROUPS = ("vllm.general_plugins", "vllm.platform_plugins", "sglang.srt.plugins", "sglang.multimodal_gen.plugins")
"""Entry points that vLLM and SGLang run when a process starts."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions and hardware, read from metadata and from the kernel: torch is not imported.

    Attributes:
        torch: the installed version; None without torch.
        gpus: the names of NVIDIA's and AMD's GPUs that the kernel's drivers report.
        others: entry points that these frameworks run, of distributions other than theirs and ours.
        variables: our variables, as ``NAME=value``.
    """

    python: str
    system: str
    torch: str | None
    gpus: tuple[str, ...]
    others: tuple[str, ...]
    variables: tuple[str, ...]

    @classmethod
    def of_this_process(cls) -> Environment:
        """Read everything."""
        none: tuple[str, ...] = ()
        return cls(
            platform.python_version(),
            platform.platform(terse=True),
            torch_text(),
            tuple(_gpus()),
            tuple(sorted(set(or_default(lambda: tuple(_others()), none)))),
            tuple(f"{name}={value}" for name, value in sorted(os.environ.items()) if re.match("SYNCFREE(_|$)", name)),
        )

    @property
    def line(self) -> str:
        """Python, torch and the GPU in one line."""
        torch = f"torch {self.torch}" if self.torch else "no torch"
        return f"Python {self.python}, {torch}, {', '.join(self.gpus) or 'no GPU'}"

    def record(self) -> dict[str, object]:
        """Return the fields for JSON."""
        return {
            "python": self.python,
            "system": self.system,
            "torch": self.torch,
            "gpus": list(self.gpus),
            "other_plugins": list(self.others),
            "variables": list(self.variables),
        }


def _gpus() -> Iterator[str]:
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        text = or_default(information.read_text, "")
        model = re.search(r"^Model:\s*(.+)$", text, re.MULTILINE)
        yield model.group(1) if model else "an NVIDIA GPU"
    if os.path.exists("/dev/kfd"):
        yield "an AMD GPU"


def _others() -> Iterator[str]:
    own = {"syncfree", *(name for adapter in RUNTIME.adapters() for name in adapter.distributions)}
    for canonical, distribution, text in with_entry_points([]):
        if canonical in own or isinstance(text, Unreadable):
            continue
        for group, name, _ in parse(text, GROUPS)[0]:
            yield f"{name} of {described(distribution)}, run by {group}"
