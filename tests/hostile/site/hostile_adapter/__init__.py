"""The adapter of the made-up diffusers: three bindings, four targets, in three modules."""

from syncfree.adapting import Adapter, Binding, Form


def compose_progress(mine, theirs):
    def progress(iterable=None, total=None):
        return mine(iterable, total, None, _bar, {})

    return progress


def compose_reduce(mine, theirs):
    def reduce(local, rank):
        return mine(local, rank, 1, None, "cpu")

    return reduce


def compose_gather(mine, theirs):
    def gather(self, local, rank):
        return mine(local, rank, 1, None, "cpu")

    return gather


def compose_value(mine, theirs):
    def finish(value):
        return mine(value)

    return finish


def compose_made(mine, theirs):
    def made(cls, value):
        return mine(value)

    return made


def _bar(*, iterable, total, **options):
    return ("sync_free", iterable, total)


def binding(hook, *composed):
    """One stalling form of 9.x; each target with its compose function."""
    targets, functions = zip(*composed, strict=True)
    return Binding(hook, targets, (Form(">=9.0,<10", "stalls", "it stalls", functions),))


BINDINGS = (
    binding("progress_reporting", ("diffusers.work:progress", compose_progress)),
    binding("dp_all_reduce", ("diffusers.work:reduce", compose_reduce), ("diffusers.more:Sampler.gather", compose_gather)),
    binding("postprocess", ("diffusers.late:Pipe.finish", compose_value), ("diffusers.late:Pipe.made", compose_made)),
)
ADAPTER = Adapter("diffusers", "diffusers", ("diffusers",), BINDINGS, home="hostile_adapter")
