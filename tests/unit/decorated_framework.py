"""The source of a framework with plain, decorated, static and class methods."""

from __future__ import annotations

SOURCE = """
import contextlib
import functools
import importlib
import sys
from .decorating import Timed, kept, named, registered, timed, unnamed

def reduce(local, rank, size, group, device):
    return ["upstream", list(local), rank, size]

class Work:
    def method(self, value):
        return ("upstream", value)

    @staticmethod
    def static(value):
        return ("upstream", value)

    @classmethod
    def made(cls, value):
        return ("upstream", value)

    @timed
    def in_time(self, value):
        return ("upstream", value)

    @staticmethod
    @named("static")
    def with_name(value):
        return ("upstream", value)

    @registered("here")
    @unnamed
    @timed
    def thrice(self, value):
        return ("upstream", value)

    @functools.partial(named, "partial")
    def through_partial(self, value):
        return ("upstream", value)

    @contextlib.contextmanager
    def context(self, value):
        yield ("upstream", value)

    @Timed()
    def by_object(self, value):
        return ("upstream", value)

    @kept
    def as_is(self, value):
        return ("upstream", value)

if True:
    def conditional(value):
        return ("upstream", value)
else:
    def conditional(value):
        return ("never", value)
"""
DECORATING = """
import functools
import importlib
import sys

def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def unnamed(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def named(name, function=None):
    if function is None:
        return functools.partial(named, name)
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def registered(name):
    return lambda function: function

def kept(function):
    return function

class Timed:
    def __call__(self, function):
        return timed(function)
"""
