"""Tests of the auditor. Those that use the simulated device are marked, and so run in a process of their own."""
