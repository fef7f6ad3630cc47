"""A plugin whose hook does not exist."""

import syncfree


@syncfree.hookimpl(exact=True)
def progres_reporting(iterable, total, rank, bar, options):
    """Misspelt."""
    return bar(iterable=iterable, total=total, **options)
