"""Write ``captures.md``: what every command shows in a terminal of 80 columns. ``make captures`` makes it anew, in minutes.

The commands run in an environment with diffusers 0.42.1 and the wheel of this tree, against small programs that `PROGRAMS` has.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environments import release, wheel

from .terminal import shown

PAGE = Path(__file__).with_name("captures.md")
HEAD = """# What the commands show

Written by `make captures`; do not edit. Every command in a terminal of 80 columns, in an environment with diffusers 0.42.1, on a machine
without a GPU. A test runs them again and compares everything but figures, versions and paths. [The command line](command-line.md)
explains them.

`busy.py` steps a UniPC scheduler of diffusers for ever, `step.py` once. `waits.py` makes the host wait and `upload.py` has a race, on
purpose. Other programs used the machine meanwhile, so the figures of time mean nothing.
"""
LOOP = """
    scheduler.set_timesteps(20)
    latents = torch.ones(1, 4, 8, 8)
    for timestep in scheduler.timesteps:
        latents = scheduler.step(latents.tanh(), timestep, latents).prev_sample
"""
MAKE = """import time
import torch
from diffusers import UniPCMultistepScheduler

scheduler = UniPCMultistepScheduler()
"""
PROGRAMS = {
    "busy.py": f"{MAKE}while True:{LOOP}    time.sleep(0.05)\n",
    "step.py": f"{MAKE}for _ in range(1):{LOOP}",
    "waits.py": """import torch
from syncfree.audit import step

scores = torch.rand(8, device="cuda")
for _ in range(3):
    step("choose")
    if scores.max() > 0.5:
        scores = scores * 0.5
""",
    "upload.py": """import torch


def uploaded(rows, device):
    return torch.from_numpy(rows).to(device, non_blocking=True)
""",
}
FIGURES = ("ps", "top", "toggle")
"""Commands whose output has figures of time; the comparison leaves their numbers out."""
COMPARISONS = ("ab", "report")
"""Commands whose first line is a verdict that holds on every machine; their other lines are figures and depend on its load."""
COMMANDS = (
    "syncfree --help",
    "syncfree list",
    "syncfree doctor",
    "syncfree doctor timestep_index",
    "SYNCFREE_SCHEDULER_STEP=sync_fre syncfree doctor",
    "syncfree explain scheduler_step",
    "SYNCFREE_SCHEDULER_STEP=sync_free syncfree config",
    "syncfree config --write hooks.toml",
    "syncfree ps",
    "syncfree top --looks 2 | cat",
    "syncfree toggle --timeout 60 scheduler_step=upstream",
    "syncfree toggle --timeout 60 --reset",
    "syncfree toggle scheduler_step=faster",
    "syncfree audit --budget 0 -- python waits.py",
    "syncfree lint upload.py",
    "syncfree record scheduler_step --calls 10 --out calls -- python step.py",
    "syncfree ab scheduler_step sync_free coefficient_table --replay calls --figure cpu --rounds 12 --json ab.json",
    "syncfree report ab.json",
    "syncfree new-plugin my_frames --hook postprocess",
    "syncfree new-adapter my_adapter",
    "syncfree drift --help",
    "syncfree releases --help",
    "syncfree fingerprint --help",
)


def outputs() -> Iterator[tuple[str, str]]:
    """Run the commands in their order; yield each with what it shows, with the folder's path taken out."""
    python = release("diffusers", "0.42.1", wheel())
    with tempfile.TemporaryDirectory(prefix="captures-", dir="/tmp") as folder:
        home = Path(folder)
        for name, text in PROGRAMS.items():
            (home / name).write_text(text)
        variables = _variables(home, python)
        for command in filter(_is_alone, COMMANDS):
            yield command, _plain(shown(command, home, variables), home, python)
        (home / "run").mkdir(mode=0o700)
        variables |= {"SYNCFREE_CONTROL": str(home / "run"), "SYNCFREE_JOB": "video"}
        with _running(home, python, variables):
            for command in COMMANDS:
                if not _is_alone(command):
                    yield command, _plain(shown(command, home, variables), home, python)


def page() -> str:
    """Return the page."""
    found = dict(outputs())
    return HEAD + "".join(f"\n```console\n$ {command}\n{found[command]}```\n" for command in COMMANDS)


def recorded() -> dict[str, str]:
    """Return what the page says that each command shows."""
    return dict(re.findall(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


def comparable(command: str, text: str) -> str:
    """Return an output without what differs between runs and machines: versions, platforms, pids, and figures of time."""
    text = re.sub(r"Python \d\S*?(?=[,;\s])", "Python X", text)
    text = re.sub(r"torch \d[\w.+]*", "torch X", text)
    text = re.sub(r"\b(process|pid) \d+", r"\1 N", text)
    text = re.sub(r"site-packages/torch/\S+", "TORCH", text)
    if any(f"syncfree {name}" in command for name in COMPARISONS):
        text = re.sub(r" by [\d.]+%.*", "", text.partition("\n")[0])
    if any(f"syncfree {name}" in command for name in FIGURES):
        text = re.sub(r"\d[\d.,]*", "N", text)
        text = re.sub(r"[▁▂▃▄▅▆▇█]+", "", text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def _is_alone(command: str) -> bool:
    """Return whether a command looks at no running process."""
    return re.search(r"syncfree (ps|top|toggle)\b", command) is None


def _variables(home: Path, python: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYNC", "PYTHON", "PYTEST_"))}
    own = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return kept | own | {"PATH": f"{python.parent}{os.pathsep}{kept['PATH']}", "HOME": str(home)}


def _plain(text: str, home: Path, python: Path) -> str:
    for path, name in ((str(python.parent.parent), "ENVIRONMENT"), (f"{home}/", ""), (str(home), ".")):
        text = text.replace(path, name)
    text = re.sub(r"Linux-\S+", "Linux-...", text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


@contextmanager
def _running(home: Path, python: Path, variables: dict[str, str]) -> Iterator[None]:
    """Run `busy.py` until it has called its hooks, and during the block."""
    busy = subprocess.Popen([python, "busy.py"], cwd=home, env=variables)
    try:
        deadline = time.monotonic() + 300
        while not _calls(python, variables):
            if busy.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("busy.py calls no hook")
        yield
    finally:
        busy.kill()
        busy.wait()


def _calls(python: Path, variables: dict[str, str]) -> bool:
    """Return whether the running process has called all of its hooks."""
    looked = subprocess.run([python.with_name("syncfree"), "ps", "--json"], env=variables, capture_output=True, text=True, check=False)
    return re.search(r'"calls": [1-9]', looked.stdout) is not None


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")
