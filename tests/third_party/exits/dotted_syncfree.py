"""An adapter whose package is not a top-level one."""

from syncfree.adapting import Adapter

ADAPTER = Adapter("dotted", "dotted.runtime", ("dotted",), (), home="syncfree")
