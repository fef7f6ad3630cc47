"""``import syncfree.auto``: load the hooks of every framework that is installed.

For environments without ``syncfree.pth`` (editable installs), and for scripts that prefer an explicit import. Import it
first: names that a script imported before keep upstream's functions.
"""

from __future__ import annotations

from ._api import load
from ._frameworks import find_installed
from ._runtime import RUNTIME

for _adapter in list(RUNTIME.adapters()):
    if find_installed(_adapter) is not None:
        load(_adapter.framework)
