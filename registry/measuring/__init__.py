"""Measure one implementation against another on recorded calls.

`_statistics` turns rounds of blocks into ratios with intervals and a verdict, `_design` says how blocks follow each other and
when to stop, `_replayed` measures recorded calls in this process, `_of_replay` is the whole of it, and `_comparison` is the
JSON of a result. See docs/ab.md.
"""
