"""A plugin that needs something that is not installed."""

import acme_native_library  # noqa: F401
