"""A plugin of somebody else."""

import syncfree


@syncfree.hookimpl(exact=True, host_syncs=0)
def progress_reporting(iterable, total, rank, bar, options):
    """Make the bar on the first rank; a disabled one elsewhere."""
    disable = bool(rank) or options.get("disable", False)
    return bar(iterable=iterable, total=total, **{**options, "disable": disable})
