"""A plugin that was written for another contract."""

import syncfree


@syncfree.hookimpl(exact=True)
def progress_reporting(iterable, bar):
    """Not the contract."""
    return bar(iterable)
