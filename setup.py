"""What pyproject.toml cannot say: three folders make one package, a `.pth` file goes beside it, and archives are reproducible."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

FOLDERS = {"syncfree": "registry", "syncfree.plugins": "plugins", "syncfree.adapters": "adapters"}
SITE_FILES = ("registry/_site/syncfree.pth", "registry/_site/_syncfree_site.py")


class BuildWithSiteFiles(build_py):
    """Also puts `SITE_FILES` at the top of the wheel, which becomes site-packages; `pip uninstall` removes them there.

    `data_files` would put them into the prefix, where Python reads no `.pth`. An editable install does not get them.
    """

    def run(self) -> None:
        """Build the packages, then copy the files."""
        super().run()
        if not self.editable_mode:
            for source, copy in zip(SITE_FILES, self._copies(), strict=True):
                self.copy_file(source, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Name everything that `run` writes."""
        return [*super().get_outputs(include_bytecode), *self._copies()]

    def _copies(self) -> list[str]:
        return [str(Path(self.build_lib, Path(source).name)) for source in SITE_FILES]


class ReproducibleSdist(sdist):
    """With `SOURCE_DATE_EPOCH`, makes the same archive from the same files, as setuptools does for wheels only."""

    def make_archive(self, base_name: str, format: str, *arguments: object, **keywords: object) -> str:  # noqa: A002
        """Make the archive, then write it again with one time, one owner and two kinds of permissions."""
        archive = str(super().make_archive(base_name, format, *arguments, **keywords))
        if "SOURCE_DATE_EPOCH" in os.environ and archive.endswith(".tar.gz"):
            _normalize(Path(archive), int(os.environ["SOURCE_DATE_EPOCH"]))
        return archive


def _normalize(archive: Path, seconds: int) -> None:
    again = archive.with_suffix(".tmp")
    with (
        tarfile.open(archive) as old,
        again.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    again.replace(archive)


def packages() -> list[str]:
    """Every package of the three folders under its installed name."""
    return [
        name
        for root, folder in FOLDERS.items()
        for name in (root, *(f"{root}.{package}" for package in find_packages(folder)))
    ]


setup(packages=packages(), package_dir=FOLDERS, cmdclass={"build_py": BuildWithSiteFiles, "sdist": ReproducibleSdist})
