"""The plugin: what it implements, and what holds for that. Importing this must stay cheap: every process does it."""

from syncfree import implementations

# Not exact, although it moves every byte: what is exact may be chosen by default, and this needs all ranks on one machine.
PLUGIN = implementations(
    "memfd_all_to_all", lockstep=True, needs=("torch", "shared_memory"), hooks=("sequence_parallel_all_to_all",)
)
