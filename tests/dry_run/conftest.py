"""The dry-run device is in this process before any test imports torch."""

from __future__ import annotations

from syncfree.audit import dry_run

dry_run.install(values=True)
