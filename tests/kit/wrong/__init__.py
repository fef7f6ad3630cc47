"""Plugins that are wrong in one way each; every one fails one check and no other."""
