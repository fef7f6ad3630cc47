"""Measure one implementation against another, on recorded calls or in a running program.

`_statistics` turns rounds of blocks into ratios with intervals and a verdict, `_design` says how blocks follow each other and
when to stop, `_replayed` measures recorded calls in this process, `_of_replay` is the whole of it;
`_conductor` switches and measures inside of a program that `_of_command` runs by an `_order`; `_comparison` is the JSON of a
result, and `_page` shows it. See docs/ab.md.
"""
