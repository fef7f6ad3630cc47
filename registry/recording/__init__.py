"""Recordings: real calls of a hook, kept in files that any machine can replay. See docs/ab.md for the format.

`_tensors` reads and writes the tensors of a call, `_encoding` and `_decoding` translate its values to and from JSON, `_files`
has the folder, and `_recorder` is the instrument that records the calls of a running process.
"""
