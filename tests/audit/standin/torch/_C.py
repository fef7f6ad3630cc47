# ruff: noqa: N999 - torch's name
import threading

_tls = threading.local()


def _activate_gpu_trace():
    pass


def _stash_obj_in_tls(key, value):
    setattr(_tls, key, value)


def _is_key_in_tls(key):
    return hasattr(_tls, key)


def _get_obj_in_tls(key):
    return getattr(_tls, key)
