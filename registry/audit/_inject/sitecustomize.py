"""Begin the audit in every Python process of ``syncfree audit -- COMMAND``, right after torch has been imported.

Python imports the first ``sitecustomize`` on its path. This one imports nothing that Python has not imported by itself, and
then imports the one that it hides. Any Python that the command starts may run it, so it also works in Python 2.7.
"""

import os
import sys

DIRECTORY = os.environ.get("SYNC_AUDIT_DIRECTORY", "")
BACKEND = os.environ.get("SYNC_AUDIT_BACKEND", "auto")
_HERE = os.path.dirname(os.path.abspath(__file__))


def _begin_when_torch_is_there():
    # type: () -> None
    try:
        with open("/proc/self/cmdline", "rb") as file:
            arguments = file.read()
        image = _image()
    except (OSError, IOError):  # noqa: UP024 - two different classes in 2.7
        return  # no /proc, in a chroot for example: without a note the auditing process lists this one as not audited
    _leave_note("here", image, arguments)
    if sys.version_info < (3, 10):  # noqa: UP036 - see above
        return  # syncfree does not run there; if this process loads torch, it is listed as not audited
    if "torch" in sys.modules:  # a .pth file has imported it
        _begin(image)
    else:
        _begin_after_torch(image)


def _image():
    # type: () -> str
    """Identify the program that this process executes: addresses that every exec randomizes and a forked child keeps."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return b"-".join([fields[23], fields[25], fields[44], fields[45], fields[48]]).decode()


def _leave_note(kind, image, text):
    # type: (str, str, bytes) -> None
    """Notify the auditing process by a symbolic link: one system call, without a descriptor, whatever the limits."""
    link = os.path.join(DIRECTORY, ".".join([kind, image, str(os.getpid())]))
    try:  # noqa: SIM105 - contextlib is not imported here
        os.symlink(text.replace(b"\0", b"\n")[:1000] or b" ", getattr(os, "fsencode", str)(link))
    except OSError:
        pass  # without a note this process is listed as not audited; after the command has ended, no one reads it


def _begin_after_torch(image):
    # type: (str) -> None
    """Begin when torch has been executed, whatever imported it.

    Until then, the method with which all of Python's file loaders execute a module is replaced.
    """
    loader = sys.modules["_frozen_importlib_external"]._LoaderBasics
    original = loader.exec_module

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        if BACKEND == "dry-run" and module.__name__ == "torch":
            _recorder().before_torch(DIRECTORY, image)  # type: ignore[no-untyped-call]
        original(self, module)
        if module.__name__ == "torch" and "torch._C" in sys.modules:
            if loader.exec_module is exec_module:
                loader.exec_module = original
            with _OpenToAutograd(module.__spec__):
                _begin(image)

    # Tracebacks omit importlib's frames, so an error in a user's module looks the same as without this file.
    exec_module.__code__ = exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
    loader.exec_module = exec_module


class _OpenToAutograd:
    """In this block, importing torch blocks the program's other threads, but neither this thread nor autograd's.

    This thread holds torch's import lock. Other threads wait for it while ``_initializing`` of torch's spec is true; a
    property replaces that attribute, so that its value depends on the calling thread.
    """

    def __init__(self, spec):
        # type: (object) -> None
        self._spec = spec

    def __enter__(self):
        # type: () -> None
        if self._spec is None or "threading" not in sys.modules:
            return
        import threading  # torch's import has done it

        this, kind = threading.get_ident(), type(self._spec)

        class Spec(kind):  # type: ignore[valid-type, misc]
            @property
            def _initializing(self):
                # type: () -> bool
                caller = threading.get_ident()
                of_python = [thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)]
                return caller != this and caller in [thread.ident for thread in of_python]

        self._kind = kind
        self._spec.__class__ = Spec

    def __exit__(self, *error):
        # type: (*object) -> None
        if hasattr(self, "_kind"):
            self._spec.__class__ = self._kind


def _begin(image):
    # type: (str) -> None
    if not os.path.isdir(DIRECTORY):
        return  # the command has ended, and this process outlived it
    try:
        process = _recorder()  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - a broken installation of syncfree is no reason to end this process
        text = "its Python cannot import syncfree.audit ({}: {}); install it there".format(type(error).__name__, error)  # noqa: UP032
        _leave_note("refused", image, text.encode("utf-8", "backslashreplace"))
    else:
        process.begin(DIRECTORY, BACKEND, image)


def _recorder():  # type: ignore[no-untyped-def]
    try:
        from syncfree.audit import _process
    except ImportError:
        now = sys.path, sys.meta_path
        sys.path, sys.meta_path = _path, _finders  # as they were before the program could change them
        try:
            from syncfree.audit import _process
        finally:
            sys.path, sys.meta_path = now
    return _process


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
sys.path_importer_cache.pop(_HERE, None)
_path, _finders = list(sys.path), list(sys.meta_path)
if os.path.isdir(DIRECTORY):
    _begin_when_torch_is_there()
# Import the user's own sitecustomize under this name; without one, this raises the ImportError that Python expects.
del sys.modules[__name__]
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401
