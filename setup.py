"""What pyproject.toml cannot say: three folders make one package, and a `.pth` file goes beside it."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

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


def packages() -> list[str]:
    """Every package of the three folders under its installed name."""
    return [
        name
        for root, folder in FOLDERS.items()
        for name in (root, *(f"{root}.{package}" for package in find_packages(folder)))
    ]


setup(packages=packages(), package_dir=FOLDERS, cmdclass={"build_py": BuildWithSiteFiles})
