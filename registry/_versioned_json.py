"""Files of our own in JSON: each says its format and its version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from ._errors import SyncfreeError


class FileFormat(NamedTuple):
    """The identification that a file of one kind carries.

    Attributes:
        name: the value of ``format``.
        version: the value of ``version``.
        largest: bytes that such a file may have.
        too_large: what an error adds to the number of MiB.
        is_not: what an error says of a file of another format.
    """

    name: str
    version: int
    largest: int
    too_large: str
    is_not: str

    def read(self, path: Path, error: type[SyncfreeError]) -> dict[str, Any]:
        """Return the tree of a file.

        Raises:
            SyncfreeError: of the type given: it cannot be read, is too large, or is of another format or version.
        """
        try:
            if path.stat().st_size > self.largest:
                raise error(f"{path} has more than {self.largest >> 20} MiB{self.too_large}")
            tree = json.loads(path.read_text("utf-8"))
        except OSError as why:
            raise error(f"{path} cannot be read: {why.strerror}") from why
        except (ValueError, RecursionError) as why:
            raise error(f"{path} is not JSON: {why}") from why
        if not isinstance(tree, dict) or tree.get("format") != self.name:
            raise error(f"{path} {self.is_not}")
        if tree.get("version") != self.version:
            raise error(f"{path} has version {tree.get('version')!r} of the format, and this syncfree reads {self.version}")
        return tree
