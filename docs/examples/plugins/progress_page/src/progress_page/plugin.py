"""The plugin: what it implements, and what holds for that. Importing this must stay cheap: every process does it."""

from syncfree import implementations

# Not exact, although the bar is the reference's: what is exact may be chosen by default, and this opens a port.
PLUGIN = implementations("progress_page", host_syncs=0, hooks=("progress_reporting",))
