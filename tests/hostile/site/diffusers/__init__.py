"""A framework of a few lines that is called diffusers, because `syncfree.pth` notices the first import of that name."""

import colorsys
import graphlib
import sched
import xml.dom.minidom

from .copies import progress, reduce

__version__ = "9.1"
__all__ = ["colorsys", "graphlib", "progress", "reduce", "sched", "xml"]
