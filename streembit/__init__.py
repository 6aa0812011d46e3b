"""Streembit: people and machines that find each other and talk, signed and encrypted."""

from streembit._version import __version__

__all__ = ["__version__"]
