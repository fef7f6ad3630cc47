"""What holds for every test of the project."""

from __future__ import annotations

from hypothesis import settings

# No deadline: on a busy machine one example can take a second for no reason of its own.
settings.register_profile("syncfree", deadline=None)
settings.load_profile("syncfree")
