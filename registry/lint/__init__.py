"""Find waits for the GPU, and races of copies, in source code: what the auditor's rule table knows, without running anything.

Needs neither torch nor a framework. ``syncfree lint`` is the command line; ``docs/lint.md`` lists the codes.
"""

from __future__ import annotations

from ._codes import CODES, Code
from ._files import check_file
from ._finding import Finding
from ._settings import LintError, Settings
from ._source import check_source

__all__ = ["CODES", "Code", "Finding", "LintError", "Settings", "check_file", "check_source"]
