"""``python -m syncfree.audit -- COMMAND...``: the command line of the auditor alone."""

from __future__ import annotations

import sys

import typer

from ._cli import audit_command
from ._errors import AuditError

try:
    typer.run(audit_command)
except AuditError as error:
    print(f"syncfree audit: {error}", file=sys.stderr)
    sys.exit(2)
