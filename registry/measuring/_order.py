"""The order of ``syncfree ab`` to the processes of the program that it runs: a folder with this order, where they leave their blocks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._errors import unknown_hook
from .._hook import Hook
from .._text import clipped
from ._design import Design

ORDER = "order.json"
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """Measure choice ``b`` of a hook against ``a``; blocks go to ``<pid>.jsonl`` in the folder, until it has a file ``stop``."""

    folder: str
    hook: str
    a: str
    b: str
    design: Design

    def write(self) -> None:
        """Write the order into its folder."""
        with open(os.path.join(self.folder, ORDER), "w", encoding="utf-8") as file:
            json.dump({"hook": self.hook, "a": self.a, "b": self.b, "design": asdict(self.design)}, file)

    @property
    def is_stopped(self) -> bool:
        """Return whether the processes are to measure no longer."""
        return os.path.exists(os.path.join(self.folder, STOP))

    def stop(self) -> None:
        """Tell the processes to measure no longer."""
        with open(os.path.join(self.folder, STOP), "w", encoding="utf-8"):
            pass


def read_order(folder: str, variable: str, hooks: Mapping[str, Hook]) -> tuple[Order | None, list[str]]:
    """Return the order in a folder (None without a folder), and what is wrong with it."""
    if not folder:
        return None, []
    try:
        with open(os.path.join(folder, ORDER), encoding="utf-8") as file:
            tree: dict[str, Any] = json.load(file)
        order = Order(folder, str(tree["hook"]), str(tree["a"]), str(tree["b"]), Design(**tree["design"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [f"{variable}={clipped(folder)} has no order of syncfree ab, which sets it: {clipped(str(error))}"]
    if order.hook not in hooks:
        return None, [f"{variable}: {unknown_hook(order.hook, hooks)}"]
    return order, []
