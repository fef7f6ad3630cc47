"""Linux's limits of Unix sockets."""

LONGEST_ADDRESS = 107
"""Bytes of a socket's path; the kernel's structure has 108, with a zero at the end."""
