"""The version of this distribution, said once; pyproject.toml reads it from here."""

__version__ = "0.1.0"
