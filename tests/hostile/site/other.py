"""A second one, which is never the default because it is not exact."""

from syncfree import hookimpl


@hookimpl
def dp_all_reduce(local, rank, size, group, device):
    return ("other", local, rank)


@hookimpl
def postprocess(decoded):
    return ("other", decoded)


@hookimpl
def progress_reporting(iterable, total, rank, bar, options):
    return ("other", iterable, total)
