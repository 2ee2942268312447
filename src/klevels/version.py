"""The version, which the records of every run carry."""

__version__ = "0.1.0"
