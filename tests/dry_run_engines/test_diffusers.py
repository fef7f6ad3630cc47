"""diffusers on torch for CUDA: the waits of its schedulers and of tiny pipelines with hooks off and on, and the same samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from syncfree.adapters.diffusers import ADAPTER
from tests.environments import release, wheel

from . import records
from .records import Expected
from .running import run

ROOT = Path(__file__).parents[2]
RELEASES = ("0.37.0", "0.42.1")
PIPELINES = {
    "stable_diffusion": ("host_timestep", 35),
    "stable_diffusion_xl": ("schedule_upload", 3),
    "stable_diffusion_3": ("host_timestep", 3),
    "flux": ("schedule_upload", 1),
    "wan": ("scheduler_step", 35),
    "cosmos": ("scheduler_step", 37),
    "cogvideox": ("host_timestep", 18),
    "ltx": ("host_timestep", 3),
}
"""By tiny pipeline: a hook of its scheduler, and the waits in diffusers' schedulers in a request of six steps of 0.42.1."""
IN_OLDER = {"stable_diffusion_xl": 5, "wan": 34}
"""The same in 0.37.0, where it differs."""


def declared(version: str) -> dict[str, tuple[int, int]]:
    """By class: the waits of a request, upstream and with hooks, that docs/audit-counts.md has from the simulated device."""
    page = (ROOT / "docs" / "audit-counts.md").read_text("utf-8")
    section = page.partition(f"\n## diffusers {version}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \|[^|]*\|[^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", section, re.MULTILINE)
    return {name: (int(steps) + int(schedule), int(ours) + int(our_schedule)) for name, steps, ours, schedule, our_schedule in rows}


def hook_of(name: str) -> str | None:
    """The hook that is bound on a class for its steps."""
    bound = {b.hook for b in ADAPTER.bindings if any(f":{name}." in target for target in b.targets)}
    return next((hook for hook in ("scheduler_step", "host_timestep", "schedule_upload") if hook in bound), None)


def counted(version: str, program: str, folder: Path, *cases: str, hooks: bool) -> dict[str, Any]:
    folder.mkdir()
    python = release("diffusers", version, wheel(), cuda=True)
    return run(python, program, folder, *cases, hooks=hooks, values=True, PYTHONPATH=str(ROOT))


@pytest.fixture(scope="module", params=RELEASES)
def schedulers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A release, and what its schedulers did without hooks and with them."""
    folder = tmp_path_factory.mktemp("schedulers")
    cases = [f"{name}={hook_of(name) or ''}" for name in declared(request.param)]
    off, on = (
        counted(request.param, "diffusers_schedulers", folder / name, *cases, hooks=name == "on") for name in ("off", "on")
    )
    return request.param, off, on


def places(of: dict[str, Any]) -> tuple[str, ...]:
    """Return where diffusers' schedulers wait."""
    found = (records.place(site["at"]) for site in of["sites"])
    return tuple(sorted({place for place in found if place.startswith("diffusers/schedulers/")}))


def test_pytorch_waits_as_often_as_the_simulated_device_says(schedulers: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    version, off, on = schedulers
    expected = declared(version)
    assert len(expected) >= 35
    found = {name: (off["cases"][name].get("waits"), on["cases"][name].get("waits")) for name in expected}
    assert found == expected
    assert off["about"]["unreal"] == on["about"]["unreal"] == []


def test_a_bound_scheduler_waits_without_hooks_and_not_with_them(
    schedulers: tuple[str, dict[str, Any], dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    version, off, on = schedulers
    rows = []
    for name, (waits, _) in declared(version).items():
        hook, without, with_hooks = hook_of(name), off["cases"][name], on["cases"][name]
        assert with_hooks["generated"] == without["generated"], name
        rows.append(records.row(Expected(name, hook, waits, places(without)), without, with_hooks))
        if hook is not None:
            assert waits > 0
            assert records.waits_at(without["sites"], places(without)) == waits, name
            assert records.waits_at(with_hooks["sites"], places(without)) == 0, name
            assert with_hooks["calls"] > 0 == without["calls"], name
    assert sum(one["hook"] is not None for one in rows) >= 30
    if request.config.getoption("--record"):
        records.write("diffusers", version, "schedulers, a request of 10 steps", on["about"], rows)


@pytest.mark.parametrize("version", RELEASES)
def test_a_pipeline_makes_the_same_latents_without_the_waits_of_its_scheduler(
    version: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    names = [name for name in PIPELINES if version != "0.37.0" or name != "cosmos"]  # which imports torchvision there
    cases = [f"{name}={PIPELINES[name][0]}" for name in names]
    off, on = (counted(version, "diffusers_pipelines", tmp_path / name, *cases, hooks=name == "on") for name in ("off", "on"))
    rows = []
    for name in names:
        hook, waits = PIPELINES[name]
        without, with_hooks = off["cases"][name], on["cases"][name]
        if version == "0.37.0":
            waits = IN_OLDER.get(name, waits)
        assert without["finite"]
        assert with_hooks["generated"] == without["generated"], name
        rows.append(records.row(Expected(name, hook, waits, places(without)), without, with_hooks))
        records.check(rows[-1], Expected(name, hook, waits, places(without)))
    if request.config.getoption("--record"):
        records.write("diffusers", version, "pipelines, a request of 6 steps", on["about"], rows)
