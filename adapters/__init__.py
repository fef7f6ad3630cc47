"""The adapters that ship with syncfree: ``<framework>/<hook>.py``, or a folder of that name for a hook with several targets."""
