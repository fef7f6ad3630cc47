"""Verification of a running process: the other implementation beside the chosen one on a share of the calls of a hook.

`_settings` says what is verified and what happens on a mismatch, `_verifier` is around the functions of a bound target, and
`_beside` is one verified call. Nothing here runs per call while a hook is not verified. See docs/verify.md.
"""
