"""The installed release of torch, and whether a range contains it; torch is not imported."""

from __future__ import annotations

from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ._distributions import distributions, name_and_version

_specifier = lru_cache(SpecifierSet)


def torch_text() -> str | None:
    """Return the installed torch's version as its metadata has it, such as ``2.15.0+cu132``; None without torch."""
    return next((name_and_version(found)[1] for found in distributions([], name="torch")), None)


def torch_version() -> Version | None:
    """Return the installed torch's version; None without torch, or with one whose metadata has no valid version."""
    try:
        return Version(torch_text() or "")
    except InvalidVersion:
        return None


def holds_with(releases: str, torch: Version | None) -> bool:
    """Return whether a range of releases of torch has this one; a nightly build counts as its release.

    An empty range has every torch, and also none (None).
    """
    return not releases or (torch is not None and _specifier(releases).contains(torch.base_version))
