"""The checks of a whole plugin, ``pytest --syncfree-check PLUGIN``: each of its hooks, each check a test of its own.

pytest loads `pytest_plugin`, which imports nothing else unless the option is given. The plugin is imported in processes of
the kit (`_process` starts them, `_worker` runs in them) and never in pytest's own, so that it may hang, crash or leak there.
"""
