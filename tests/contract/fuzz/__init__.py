"""Situations drawn from a seed for every scheduler that the diffusers adapter binds, run with upstream's class and with ours."""
