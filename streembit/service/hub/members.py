"""Whom a hub lets in: everybody who proves a key, or the members of a list."""

from __future__ import annotations

from typing import Protocol

from streembit.hub.grant import EVERYBODY, Grant


class Members(Protocol):
    """Finds what a key may do, as an `Allowlist` does; keys are texts, as on the wire."""

    def find(self, key: str) -> Grant | None:
        """Return what the holder of a key may do, None for a stranger."""


class Everybody:
    """A public hub's members: all who prove a key."""

    def find(self, _key: str) -> Grant | None:
        """See `Members`."""
        return EVERYBODY
