"""Streembit: people and machines that find each other and talk, signed and encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streembit._version import __version__

if TYPE_CHECKING:
    from streembit.client import Client

__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> Any:
    """Return what is loaded only when it is asked for."""
    if name == "Client":
        from streembit.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
