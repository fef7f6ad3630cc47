"""Run by ``syncfree.pth`` at interpreter start, for frameworks that load no plugins in their worker processes.

It only puts a finder on ``sys.meta_path`` that detects the first import of such a framework and loads its hooks right
before the framework's package executes. Free of imports, because every Python process of the environment pays for them.
With ``SYNCFREE=off`` it does nothing.

PYTEST_DONT_REWRITE: pytest rewrites the modules of every distribution that has a pytest plugin, and would warn in each run
that Python had imported this one before.
"""

import sys
from os import environ

FRAMEWORKS = {
    "diffusers": "diffusers",
    "sglang.multimodal_gen": "sglang",
    # `sglang.srt` is a namespace package, which does not execute; each process that runs a language model imports this.
    "sglang.srt.layers.sampler": "sglang-srt",
    "vllm_omni": "vllm-omni",
}
"""The adapter to load before a package or module executes."""


class FirstImport:
    """Finds the package of a framework through the finders behind this one, with a loader that loads our hooks first.

    ``find_spec`` loads nothing: importlib holds the global import lock while it runs, and the caller may only want to know
    whether the package exists.
    """

    def __init__(self):
        self.frameworks = dict(FRAMEWORKS)

    def find_spec(self, name, path=None, target=None):
        if name not in self.frameworks:
            return None
        finders = list(sys.meta_path)
        own = next((index for index, finder in enumerate(finders) if finder is self), -1)
        for finder in finders[own + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = LoadFirst(spec.loader, self, name)
                return spec
        return None

    def load(self, name):
        """Load the hooks of the framework whose package is about to execute. Raises only `syncfree.SelectionError`."""
        framework = self.frameworks.get(name)
        if framework is None:
            return
        try:
            from syncfree._autoload import first_import

            first_import(framework)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if type(error).__name__ == "SelectionError" and type(error).__module__ == "syncfree._errors":
                raise  # an explicit choice cannot be met; the next import tries again
            report(framework, error)
        self.frameworks.pop(name, None)
        if not self.frameworks:
            sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]


class LoadFirst:
    """Stands in for a package's loader until the package executes."""

    def __init__(self, loader, finder, name):
        self._loader = loader
        self._finder = finder
        self._name = name

    def __getattr__(self, name):
        if name == "_loader":  # not set yet, in a copy that is being made
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._finder.load(self._name)
        self._loader.exec_module(module)


def plainly(error):
    """Return the text of an exception, without using syncfree."""
    try:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    except BaseException:  # noqa: BLE001 - a foreign __str__ may raise anything
        return f"{type(error).__name__} with a message that cannot be printed"


def report(framework, error):
    """Print one line on standard error: nothing of a framework is bound, and why."""
    try:
        from syncfree._errors import describe_error as describe
    except BaseException:  # noqa: BLE001 - syncfree itself may be broken
        describe = plainly
    try:
        # One write for the whole line, which processes that share an unbuffered standard error would otherwise tear.
        print(f"syncfree: nothing of {framework} is bound: {describe(error)}\n", end="", file=sys.stderr)
    except Exception:  # noqa: BLE001 - standard error may be missing, and the framework must import nevertheless
        return


if environ.get("SYNCFREE", "on").strip().lower() not in ("off", "0", "false", "no"):
    sys.meta_path.insert(0, FirstImport())
