"""The releases that the engine tests run: three by default, seven with ``--sweep``."""

from __future__ import annotations

import functools

import pytest

from tests.engines.sglang.engine import Run, generate

RELEASES = ("0.5.11", "0.5.16", "0.5.23")
"""One that stalls, one whose module wraps its attention, both entered through ``syncfree.pth``; and the newest."""
ALL_RELEASES = ("0.5.11", "0.5.12.post1", "0.5.13", "0.5.16", "0.5.20", "0.5.21", "0.5.23")
OFF_RELEASES = ("0.5.11",)
"""Started without hooks. In every release they are taken out of the running engine."""
REFUSING_RELEASES = ("0.5.11", "0.5.23")
"""One of each way in."""
NAMED = {"SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL": "sync_free"}
"""By default the exchange is bound where it stalls; the fast forms only when an implementation is named."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everything = metafunc.config.getoption("--sweep")
    for name, few in (("version", RELEASES), ("off_version", OFF_RELEASES), ("refusing_version", REFUSING_RELEASES)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, ALL_RELEASES if everything else few, scope="session")


class Engines:
    """One run of each kind per release, started when a test first asks for it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self.toggled = functools.cache(self._toggled)
        self.off = functools.cache(self._off)

    def _toggled(self, version: str) -> Run:
        """Four videos of one engine: with our exchange, upstream's, the packed one, and all hooks taken out."""
        choices = [None, "upstream", "packed_all_to_all", "restore"]
        named = {} if version == "0.5.11" else NAMED
        return generate(version, self._folders.mktemp("toggled"), generations=len(choices), choices=choices, **named)

    def _off(self, version: str) -> Run:
        """One video with syncfree switched off from the start."""
        return generate(version, self._folders.mktemp("off"), SYNCFREE="off")


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines(tmp_path_factory)


@pytest.fixture
def toggled(engines: Engines, version: str) -> Run:
    return engines.toggled(version)
