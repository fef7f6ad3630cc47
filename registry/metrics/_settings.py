"""The values of ``SYNCFREE_METRICS`` (off, on, or an address) and of ``SYNCFREE_METRICS_SAMPLE`` (the share of the calls to time)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec

from .._errors import or_default
from .._sockets import LONGEST_ADDRESS
from .._text import clipped

CLIENT = "prometheus_client"
_ON = frozenset({"on", "1", "true", "yes"})
_OFF = frozenset({"", "off", "0", "false", "no"})
_ADDRESS = re.compile(r"(?:(?P<host>[^\s:/]+|\[[0-9a-fA-F:]+\]):)?(?P<port>\d{2,5})", re.ASCII)
_LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """The destination of metrics: a TCP address, a Unix socket, or, with neither, to the registry of the framework.

    Attributes:
        host: empty without a TCP address.
        port: 0 without a TCP address.
        socket: an absolute path; empty without a Unix socket.
    """

    host: str = ""
    port: int = 0
    socket: str = ""

    @property
    def where(self) -> str:
        """The path or the address; empty for the registry of the framework."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.socket or (f"{host}:{self.port}" if self.port else "")


def parse_metrics(text: str, variable: str) -> tuple[MetricsSettings | None, list[str]]:
    """Return the settings (None: no metrics), and what is wrong with the value."""
    if text.lower() in _OFF:
        return None, []
    if text.lower() in _ON:
        settings = MetricsSettings()
    elif os.path.isabs(text):
        if (length := len(os.fsencode(text))) > LONGEST_ADDRESS:
            said = f"{variable}={clipped(text)!r}: the path of a socket has up to {LONGEST_ADDRESS} bytes, and this one {length}"
            return None, [f"{said}; name a shorter one, or a port"]
        settings = MetricsSettings(socket=text)
    elif (match := _ADDRESS.fullmatch(text)) and 0 < int(match["port"]) < 1 << 16:
        settings = MetricsSettings(host=(match["host"] or _LOCAL).strip("[]"), port=int(match["port"]))
    else:
        known = "on, off, a port, an address such as 0.0.0.0:9400, or the absolute path of a socket"
        return None, [f"{variable}={clipped(text)!r} is none of {known}"]
    # Whatever a broken finder in the process raises, the package cannot be imported then.
    if or_default(lambda: find_spec(CLIENT), None) is None:
        return None, [
            f"{variable}={clipped(text)} needs {CLIENT}, which is not installed here: pip install prometheus-client, or unset {variable}"
        ]
    return settings, []


def parse_sample(text: str, variable: str) -> tuple[float, list[str]]:
    """Return the share of the calls to time, and what is wrong with the value."""
    try:
        share = float(text)
    except ValueError:
        return 0.0, [f"{variable}={clipped(text)!r} is not a number from 0 to 1"]
    problems = sample_problems(share, f"{variable}={clipped(text)!r}")
    return (0.0 if problems else share), problems


def sample_problems(share: float, said: str) -> list[str]:
    """Return what is wrong with a share of the calls to time."""
    return [] if 0 <= share <= 1 else [f"{said} is not a number from 0 to 1"]
