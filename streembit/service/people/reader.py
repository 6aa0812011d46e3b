"""Who takes what contacts' cards say; see `reading` for who does so in a node."""

from __future__ import annotations

from typing import Protocol

from streembit.service.people.friend import Friend
from streembit.wire.card import Card


class Reader(Protocol):
    """Who takes what contacts' cards say."""

    def stated(self, friend: Friend, card: Card) -> None:
        """Take what a contact's card says of its keys, however old the card is."""

    def read(self, friend: Friend, card: Card) -> None:
        """Take a contact's card that is newer than all before, or the same."""

    def ended(self, friend: Friend) -> None:
        """The contact has deleted its card for us."""

    def outdated(self) -> None:
        """The network has newer cards of ours than we have written: our state is an older one."""


class NoReader:
    """Nobody: these cards are only written."""

    def stated(self, friend: Friend, card: Card) -> None:
        """See `Reader`."""

    def read(self, friend: Friend, card: Card) -> None:
        """See `Reader`."""

    def ended(self, friend: Friend) -> None:
        """See `Reader`."""

    def outdated(self) -> None:
        """See `Reader`."""
