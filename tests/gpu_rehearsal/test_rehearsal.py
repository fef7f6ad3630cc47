"""What ``make gpu-pack`` makes runs from its first line to its last where there is only torch, numpy and transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import environments
from tests.bench import gpu_pack

TORCH = "2.11.0"
"""The packages of the GPU machine at hand."""
REHEARSE = Path(__file__).with_name("rehearse.py")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack, unzipped where nothing else is, for this Python."""
    made = tmp_path_factory.mktemp("made")
    packed = gpu_pack.make(made / "gpu-pack", f"{sys.version_info.major}.{sys.version_info.minor}")
    machine = tmp_path_factory.mktemp("machine")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(machine)
    return machine


def rehearse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    python = environments.overlay("gpu-machine", before=environments.cuda_torch(TORCH))
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTORCH_NO_CUDA_MEMORY_CACHING")}
    return subprocess.run(
        [python, REHEARSE, folder / "gpu-pack", *arguments, "--quick", "--output", folder / "results"],
        cwd=folder,
        env=inherited | {"SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "4"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / "results" / name).read_text())


def test_the_calibration_runs_with_the_back_end_for_a_gpu_and_confirms_every_row(folder: Path) -> None:
    done = rehearse(folder, "calibration")
    assert done.returncode == 0, done.stdout + done.stderr
    result = read(folder, f"calibration-cuda-{TORCH}.json")
    assert result["counts"].keys() == result["waits"].keys()
    assert "no difference\ncalibration: status 0" in (folder / "results" / "calibration.txt").read_text()


def test_the_schedulers_are_stepped_under_every_choice(folder: Path) -> None:
    done = rehearse(folder, "schedulers")
    assert done.returncode == 0, done.stdout + done.stderr
    by_scheduler = {name: rows for name, rows in read(folder, "schedulers.json").items() if isinstance(rows, dict)}
    assert [name.split()[0] for name in by_scheduler] == ["diffusers", "sglang", "sglang"]
    for by_latents in by_scheduler.values():
        assert len(by_latents) == 4
        for rows in by_latents.values():
            assert rows["upstream"]["syncs"] + rows["upstream"]["syncs_of_the_schedule"] > 0
            assert rows["sync_free"]["syncs"] == rows["coefficient_table"]["syncs"] == 0


def test_the_machine_and_the_parts_are_named(folder: Path) -> None:
    done = rehearse(folder, "no-such-part")
    assert done.returncode == 2
    assert "no part named no-such-part; there are schedulers, calibration" in done.stderr
