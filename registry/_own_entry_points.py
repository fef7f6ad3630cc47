"""The entry points of our own distribution, for a copy of the package whose metadata is missing or damaged."""

from __future__ import annotations

PLUGINS = {
    name: f"syncfree.plugins.{name}.plugin:PLUGIN"
    for name in ("auto", "coefficient_table", "flashinfer_ulysses", "packed_all_to_all", "shm_mailbox", "sync_free")
}
ADAPTERS = {
    name: f"syncfree.adapters.{name.replace('-', '_')}:ADAPTER"
    for name in ("diffusers", "sglang", "sglang-srt", "vllm", "vllm-omni")
}
SHIPPED = {"syncfree": PLUGINS, "syncfree.adapters": ADAPTERS}
"""Entry point values by group and name; equal to those in ``pyproject.toml``."""
