# What a program finds without torch: nothing but the three variables differs.
import builtins
import gc
import os
import signal
import sys
import threading
import warnings

print(sys.argv, sys.path, sys.flags, sys.orig_argv[1:])
print(sorted(sys.modules))
ours = ("PYTHONPATH", "SYNC_AUDIT_DIRECTORY", "SYNC_AUDIT_BACKEND")
print(sorted((name, value) for name, value in os.environ.items() if name not in ours))
print([getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path], len(sys.path_hooks))
print(sorted(sys.path_importer_cache))
print(builtins.__import__.__module__, gc.get_threshold(), gc.get_freeze_count(), warnings.filters)
print([thread.name for thread in threading.enumerate()], sorted(os.listdir("/proc/self/fd")), os.umask(0))
print([signal.getsignal(number) for number in sorted(signal.valid_signals())], signal.pthread_sigmask(signal.SIG_BLOCK, []))
print(os.getcwd(), os.getpgrp() == os.getsid(0), sys.gettrace(), sys.getprofile(), sys.getrecursionlimit(), sys.excepthook)
with open("/proc/self/status") as file:
    # but SigQ: it counts the signals that are queued for all processes of the user
    own = ("SigPnd", "SigBlk", "SigIgn", "SigCgt", "Shd", "Cap", "NoNewPrivs", "Seccomp")
    print([line for line in file if line.startswith(own)])
with open("/proc/self/limits") as file:
    print(file.read(), os.nice(0), os.sched_getaffinity(0))
try:
    import sitecustomize
except ModuleNotFoundError as error:
    print(error, error.name)
else:
    print(sitecustomize)
