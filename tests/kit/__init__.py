"""The kit for plugin authors: the checks of a whole plugin."""
