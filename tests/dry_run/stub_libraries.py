"""Build the dry run's stub libraries for this environment: ``python -m tests.dry_run.stub_libraries`` prints their folder."""

from __future__ import annotations

from syncfree.audit.dry_run._build import build

if __name__ == "__main__":
    print(build()[0].parent)
